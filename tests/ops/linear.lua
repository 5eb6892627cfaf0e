local function act(name)
  return { name = name, kinks = name == "relu", inputs = { { 6, 5 }, { 7, 5 }, { 7 } },
    golden = true, fn = function(x, w, b) return lt.linear(x, w, b, name) end }
end

return {
  golden = "ops_linear",
  cases = {
    { name = "linear", fn = lt.linear, inputs = { { 4, 5 }, { 3, 5 }, { 3 } } },
    { name = "no_bias", fn = lt.linear, inputs = { { 2, 3, 5 }, { 4, 5 } } },
    { name = "vector", fn = lt.linear, inputs = { { 5 }, { 4, 5 }, { 4 } } },
    { name = "relu", fn = function(x, w, b) return lt.linear(x, w, b, "relu") end },
    act "tanh", act "sigmoid", act "gelu", act "gelu_tanh", act "silu",
    { name = "many_rows", fn = function(x, w, b) return lt.linear(x, w, b, "gelu") end },
    { name = "bf16", check = function()
      local x, w, b = lt.randn(70, 40), lt.randn(30, 40):set_requires_grad(), lt.randn(30)
      x:set_requires_grad()
      local narrow = x:detach():cast("bf16"):cast("f32"):set_requires_grad()
      local w2 = w:detach():clone():set_requires_grad()
      local y = lt.op.autocast("bf16", function() return lt.linear(x, w, b, "tanh") end)
      assert(y:dtype() == "bf16")
      local want = lt.linear(narrow, w2, b, "tanh")
      local function close(a, z, what)
        local e = (a:cast("f32") - z):abs():max():item() / z:abs():max():item()
        assert(e < 0.02, ("%s: relative error %g"):format(what, e))
      end
      close(y, want, "y")
      y:cast("f32"):sum():backward()
      want:sum():backward()
      assert(x.grad:dtype() == "f32" and w.grad:dtype() == "f32")
      close(x.grad, narrow.grad, "dx")
      close(w.grad, w2.grad, "dw")
    end },
    { name = "one_row", check = function()     -- takes another way than several
      for n = 1, 9 do
        for _, k in ipairs { 1, 3, 16, 37, 300 } do
          local x, w, b = lt.randn(4, k), lt.randn(n, k), lt.randn(n)
          local off = (lt.linear(x, w, b):narrow(1, 1, 1) - lt.linear(x:narrow(1, 1, 1), w,
            b)):abs():max():item()
          assert(off < 2e-5, ("%d outputs of %d inputs are %g off"):format(n, k, off))
        end
      end
    end },
    { name = "thousands_of_rows", check = function()   -- other ways than a few rows, forward and backward
      local rows, k, n = 4501, 48, 40
      local x, w, b, dy = lt.randn(rows, k), lt.randn(n, k), lt.randn(n), lt.randn(rows, n)
      local function run(from, count)
        local xs, ws = x:narrow(1, from, count):clone():set_requires_grad(), w:clone():set_requires_grad()
        local y = lt.linear(xs, ws, b, "gelu")
        y:backward(dy:narrow(1, from, count))
        return y:detach(), xs.grad, ws.grad, lt.no_grad(lt.linear, x:narrow(1, from, count), w, b, "gelu")
      end
      local whole, parts, dw = { run(1, rows) }, { {}, {}, {} }, lt.zeros(n, k)
      for i = 1, rows, 900 do
        local y, dx, part, plain = run(i, math.min(900, rows - i + 1))
        table.insert(parts[1], y)
        table.insert(parts[2], dx)
        table.insert(parts[3], plain)
        dw = dw + part
      end
      local function close(a, z, what)
        local e = (a - z):abs():max():item() / z:abs():max():item()
        assert(e < 2e-6, ("%s: relative error %g"):format(what, e))
      end
      close(whole[1], lt.cat(parts[1], 1), "y")
      close(whole[2], lt.cat(parts[2], 1), "dx")
      close(whole[3], dw, "dw")
      close(whole[4], lt.cat(parts[3], 1), "y without a gradient")
    end },
    { name = "empty", check = function()
      local y = lt.linear(lt.zeros(0, 3), lt.zeros(2, 3), lt.zeros(2))
      assert(y:numel() == 0 and y:size(2) == 2)
    end },
    { name = "errors", check = function()
      local ok, message = pcall(lt.linear, lt.zeros(2, 3), lt.zeros(4, 5))
      assert(not ok and message:find("must agree", 1, true), message)
      ok, message = pcall(lt.linear, lt.zeros(2, 3), lt.zeros(4, 3), nil, "rellu")
      assert(not ok and message:find("rellu", 1, true), message)
    end },
  },
}
