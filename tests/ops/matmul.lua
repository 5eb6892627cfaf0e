return {
  golden = "ops_matmul",
  cases = {
    { name = "matmul", fn = lt.matmul, inputs = { { 7, 5 }, { 5, 9 } } },
    { name = "batched", fn = lt.bmm, inputs = { { 3, 4, 5 }, { 3, 5, 6 } } },
    { name = "broadcast_right", fn = lt.matmul, inputs = { { 2, 3, 4, 5 }, { 5, 6 } } },
    { name = "broadcast_left", fn = lt.matmul, inputs = { { 4, 5 }, { 3, 5, 6 } } },
    { name = "broadcast_both", fn = lt.matmul, inputs = { { 2, 1, 4, 5 }, { 1, 3, 5, 2 } } },
    { name = "vector_left", fn = lt.matmul, inputs = { { 5 }, { 5, 6 } } },
    { name = "vector_right", fn = lt.matmul, inputs = { { 3, 4, 5 }, { 5 } } },
    { name = "vectors", fn = lt.matmul, inputs = { { 5 }, { 5 } } },
    { name = "transposed", fn = function(a, b) return a:transpose(1, 2):matmul(b:transpose(2, 3)) end,
      inputs = { { 5, 7 }, { 2, 9, 5 } } },
    { name = "permuted", fn = function(a, b)
      return a:permute(1, 3, 2, 4):matmul(b:permute(1, 3, 4, 2))
    end, inputs = { { 2, 6, 3, 4 }, { 2, 5, 3, 4 } } },
    { name = "wide", fn = lt.mm, inputs = { { 65, 70 }, { 70, 33 } } },
    { name = "bf16", fn = function(a, b) return a:cast("bf16"):matmul(b:cast("bf16")):cast("f32") end,
      tolerance = 8e-3 },
    { name = "autocast", check = function()
      local a, b = lt.randn(6, 8), lt.randn(8, 3)
      local y = lt.op.autocast("bf16", function() return lt.matmul(a, b) end)
      assert(y:dtype() == "bf16")
      local want = lt.matmul(a:cast("bf16"):cast("f32"), b:cast("bf16"):cast("f32"))
      assert(((y:cast("f32") - want):abs():max()):item() <= 0.02 * want:abs():max():item())
    end },
    -- Long and thin ones take ways of their own; of whole numbers every order of summing gives the same.
    { name = "long", check = function()
      local function whole(...) return (lt.rand(...) * 9):floor() - 4 end
      for _, size in ipairs { { 5003, 20, 24 }, { 4097, 7, 8 }, { 6000, 64, 96 }, { 4100, 33, 200 } } do
        local m, k, n = size[1], size[2], size[3]
        local a, b, c = whole(m, k), whole(k, n), whole(m, n)
        local product, turned = lt.matmul(a, b), lt.matmul(a, b:transpose(1, 2):contiguous():transpose(1, 2))
        local sum, parts = lt.matmul(a:transpose(1, 2), c), lt.zeros(k, n)
        for i = 1, m, 1000 do
          local rows = math.min(1000, m - i + 1)
          local few = lt.matmul(a:narrow(1, i, rows), b)
          assert((product:narrow(1, i, rows) - few):abs():max():item() == 0, "rows of " .. m)
          assert((turned:narrow(1, i, rows) - few):abs():max():item() == 0, "rows, transposed, of " .. m)
          parts = parts + lt.matmul(a:narrow(1, i, rows):transpose(1, 2), c:narrow(1, i, rows))
        end
        assert((sum - parts):abs():max():item() == 0, "sum of " .. m)
      end
    end },
    { name = "empty", check = function()
      assert(lt.matmul(lt.zeros(0, 3), lt.zeros(3, 2)):numel() == 0)
      local y = lt.matmul(lt.zeros(2, 0), lt.zeros(0, 3))
      assert(table.concat(y:flat(), " ") == "0 0 0 0 0 0")
    end },
    { name = "errors", check = function()
      local ok, message = pcall(lt.matmul, lt.zeros(2, 3), lt.zeros(2, 3))
      assert(not ok and message:find("must agree", 1, true), message)
      ok, message = pcall(lt.matmul, lt.zeros(2, 2, 3), lt.zeros(4, 3, 2))
      assert(not ok and message:find("do not go together", 1, true), message)
      ok, message = pcall(lt.matmul, lt.zeros(2, 3), lt.zeros(3, 2):cast("bf16"))
      assert(not ok and message:find("bf16", 1, true), message)
    end },
  },
}
