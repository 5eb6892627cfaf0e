local function batch(x, w, b, relu, residual)
  return lt.batch_norm(x, nil, nil, w, b, true, 0.1, 1e-5, relu, residual)
end

local function close(a, b, tolerance, what)
  local e = (a:cast("f32") - b):abs():max():item() / b:abs():max():item()
  assert(e < tolerance, ("%s: relative error %g"):format(what, e))
end

-- f on bf16 data against the same values in f32.
local function in_bf16(f, shape)
  local x = (lt.randn(shape) + 1):cast("bf16")
  local wide = x:cast("f32"):set_requires_grad()
  x:set_requires_grad()
  local y, want = f(x), f(wide)
  assert(y:dtype() == "bf16")
  close(y, want, 0.01, "y")
  local dy = lt.randn(shape):cast("bf16")
  y:backward(dy)
  want:backward(dy:cast("f32"))
  assert(x.grad:dtype() == "bf16")
  close(x.grad, wide.grad, 0.03, "dx")
end

return {
  golden = "ops_norm",
  cases = {
    { name = "batch_norm", fn = batch, inputs = { { 9, 5 }, { 5 }, { 5 } } },
    { name = "batch_norm_1d", fn = batch, tolerance = 2e-4 },
    { name = "batch_norm_2d", fn = batch, inputs = { { 3, 19, 4, 5 }, { 19 }, { 19 } } },
    { name = "batch_norm_relu", fn = function(x, w, b) return batch(x, w, b, true) end },
    { name = "batch_norm_residual", fn = function(x, w, b, r) return batch(x, w, b, false, r) end,
      inputs = { { 2, 16, 3, 3 }, { 16 }, { 16 }, { 2, 16, 3, 3 } } },
    { name = "batch_norm_residual_relu",
      fn = function(x, w, b, r) return batch(x, w, b, true, r) end },
    { name = "batch_norm_plain", fn = function(x) return batch(x) end, inputs = { { 4, 3, 5 } } },
    { name = "batch_norm_eval", fn = function(x, w, b, m, v)
      return lt.batch_norm(x, m:contiguous(), v:contiguous(), w, b, false)
    end },
    { name = "batch_norm_running", fn = function(x, m, v)
      m, v = m:contiguous(), v:contiguous()
      return lt.batch_norm(x, m, v, nil, nil, true, 0.3), m, v
    end, contiguous_only = true },
    { name = "layer_norm", fn = function(x, w, b) return lt.layer_norm(x, 21, w, b) end,
      inputs = { { 4, 5, 21 }, { 21 }, { 21 } } },
    { name = "layer_norm_two", fn = function(x, w, b) return lt.layer_norm(x, { 4, 8 }, w, b, 1e-3) end,
      inputs = { { 3, 4, 8 }, { 4, 8 }, { 4, 8 } } },
    { name = "layer_norm_plain", fn = function(x) return lt.layer_norm(x, { 32 }) end,
      inputs = { { 70, 32 } } },
    { name = "group_norm", fn = function(x, w, b) return lt.group_norm(x, 3, w, b) end,
      inputs = { { 2, 18, 4, 5 }, { 18 }, { 18 } } },
    { name = "group_norm_one", fn = function(x) return lt.group_norm(x, 1) end,
      inputs = { { 3, 6, 7 } } },
    { name = "instance_norm", fn = lt.instance_norm, inputs = { { 2, 5, 9 }, { 5 }, { 5 } } },
    { name = "bf16", check = function()
      in_bf16(function(x) return batch(x) end, { 6, 19, 4 })
      in_bf16(function(x) return batch(x, nil, nil, true) end, { 6, 32, 4 })
      in_bf16(function(x) return lt.layer_norm(x, 40) end, { 7, 40 })
      in_bf16(function(x) return lt.group_norm(x, 2) end, { 3, 20, 9 })
    end },
    { name = "empty", check = function()
      local x = lt.zeros(0, 4):set_requires_grad()
      local w = lt.ones(4):set_requires_grad()
      lt.layer_norm(x, 4, w):sum():backward()
      assert(w.grad:abs():sum():item() == 0)
    end },
    { name = "errors", check = function()
      local ok, message = pcall(batch, lt.zeros(1, 3))
      assert(not ok and message:find("more than one value", 1, true), message)
      ok, message = pcall(lt.batch_norm, lt.zeros(2, 3))
      assert(not ok and message:find("running statistics", 1, true), message)
      ok, message = pcall(batch, lt.zeros(4, 3), lt.ones(4))
      assert(not ok and message:find("weight is (4)", 1, true), message)
      ok, message = pcall(lt.layer_norm, lt.zeros(2, 3), 4)
      assert(not ok and message:find("normalized_shape is (4)", 1, true), message)
      ok, message = pcall(lt.group_norm, lt.zeros(2, 6, 3), 4)
      assert(not ok and message:find("4 groups do not divide the 6 channels", 1, true), message)
    end },
  },
}
