-- Matrix products that take seconds go in groups of rows, so that Ctrl-C can stop them in between.
describe("a product that is divided", function()
  it("has the rows of the whole, also where a factor is transposed", function()
    lt.manual_seed(1)
    local m, n = 3500, 4096                                    -- 5.9e10 multiply-adds: two groups
    local a, b = lt.randn(m, n), lt.randn(n, n)
    local y = a:matmul(b)
    local other = a:t():contiguous():t():matmul(b)
    assert.is_true((y - other):abs():max():item() < 1e-2)
    for _, row in ipairs {1, 2944, 2945, m} do                 -- the second group begins at 2945
      local alone = a:narrow(1, row, 1):matmul(b)
      assert.is_true((y:narrow(1, row, 1) - alone):abs():max():item() < 1e-2, row)
    end
  end)
end)
