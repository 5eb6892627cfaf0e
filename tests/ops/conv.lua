local function close(a, b, tolerance, what)
  local e = (a:cast("f32") - b):abs():max():item() / b:abs():max():item()
  assert(e < tolerance, ("%s: relative error %g"):format(what, e))
end

-- bf16 activations against f32 arithmetic on the same rounded values.
local function in_bf16(f, ...)
  local leaves, narrow = {}, {}
  for i, shape in ipairs { ... } do
    leaves[i] = (lt.randn(shape) * 0.3):cast("bf16"):cast("f32")
    narrow[i] = leaves[i]:clone():set_requires_grad()
    leaves[i]:set_requires_grad()
  end
  local y = lt.op.autocast("bf16", function() return f(unpack(narrow)) end)
  local want = f(unpack(leaves))
  assert(y:dtype() == "bf16")
  close(y, want, 0.01, "y")
  y:cast("f32"):sum():backward()
  want:sum():backward()
  for i = 1, #leaves do
    assert(narrow[i].grad:dtype() == "f32")
    close(narrow[i].grad, leaves[i].grad, 0.02, "gradient " .. i)
  end
end

-- A batch large enough for Winograd's way against its images one by one, which go another way.
local function winograd(n, channels, h, w, outputs, padding, dtype)
  local x = lt.randn(n, channels, h, w):cast(dtype)
  local weight = lt.randn(outputs, channels, 3, 3) / math.sqrt(9 * channels)
  local bias = lt.randn(outputs)
  local tolerance = dtype == "bf16" and 0.02 or 5e-5
  local function run(part, dy)
    local a, b = part:clone():set_requires_grad(), weight:clone():set_requires_grad()
    local y = lt.conv2d(a, b, bias, 1, padding)
    y:backward(dy)
    return y:detach(), a.grad, b.grad
  end
  local dy = lt.randn(n, outputs, h + 2 * padding - 2, w + 2 * padding - 2):cast(dtype)
  local y, dx, dw = run(x, dy)
  local ys, dxs, dw_sum = {}, {}, nil
  for i = 1, n do
    local part
    ys[i], dxs[i], part = run(x:narrow(1, i, 1), dy:narrow(1, i, 1))
    dw_sum = dw_sum and dw_sum + part or part
  end
  close(y, lt.cat(ys, 1):cast("f32"), tolerance, "y")
  close(dx, lt.cat(dxs, 1):cast("f32"), tolerance, "dx")
  close(dw, dw_sum, tolerance, "dw")
end

return {
  golden = "ops_conv",
  cases = {
    { name = "conv1d", fn = function(x, w, b) return lt.conv1d(x, w, b, 2, 3, 2) end,
      inputs = { { 2, 4, 19 }, { 6, 4, 5 }, { 6 } } },
    { name = "conv1d_depthwise", fn = function(x, w, b) return lt.conv1d(x, w, b, 1, 7, 1, 20) end,
      inputs = { { 2, 20, 33 }, { 20, 1, 15 }, { 20 } } },
    { name = "conv1d_depthwise_strided",
      fn = function(x, w) return lt.conv1d(x, w, nil, 2, 2, 3, 5) end,
      inputs = { { 2, 5, 17 }, { 5, 1, 4 } } },
    { name = "conv2d", fn = function(x, w, b) return lt.conv2d(x, w, b, 1, 1) end,
      inputs = { { 2, 3, 6, 7 }, { 4, 3, 3, 3 }, { 4 } } },
    { name = "conv2d_strided",
      fn = function(x, w) return lt.conv2d(x, w, nil, { 2, 1 }, { 3, 1 }, { 1, 2 }) end,
      inputs = { { 2, 3, 9, 8 }, { 4, 3, 7, 3 } } },
    { name = "conv2d_groups", fn = function(x, w, b) return lt.conv2d(x, w, b, 2, 1, 1, 2) end,
      inputs = { { 2, 4, 7, 6 }, { 6, 2, 3, 3 }, { 6 } } },
    { name = "conv2d_depthwise",
      fn = function(x, w, b) return lt.conv2d(x, w, b, { 2, 1 }, { 1, 2 }, 1, 18) end,
      inputs = { { 2, 18, 7, 12 }, { 18, 1, 3, 5 }, { 18 } } },
    { name = "pointwise", fn = lt.conv2d, inputs = { { 2, 5, 4, 3 }, { 7, 5, 1, 1 }, { 7 } } },
    { name = "conv2d_square", fn = function(x, w) return lt.conv2d(x, w, nil, 1, 1) end,
      inputs = { { 2, 32, 7, 10 }, { 32, 32, 3, 3 } } },
    { name = "conv_transpose1d",
      fn = function(x, w, b) return lt.conv_transpose1d(x, w, b, 3, 2, 1, 1, 2) end,
      inputs = { { 2, 4, 7 }, { 4, 5, 4 }, { 5 } } },
    { name = "conv_transpose2d",
      fn = function(x, w, b) return lt.conv_transpose2d(x, w, b, { 2, 1 }, 1, { 1, 0 }, 2) end,
      inputs = { { 2, 4, 4, 5 }, { 4, 3, 3, 4 }, { 6 } } },
    { name = "conv_transpose2d_plain", fn = lt.conv_transpose2d,
      inputs = { { 1, 3, 4, 4 }, { 3, 2, 3, 3 } } },
    { name = "winograd", check = function()
      winograd(10, 32, 9, 11, 64, 1, "f32")
      winograd(7, 64, 10, 11, 32, 0, "f32")
      winograd(9, 32, 7, 8, 32, 2, "f32")
      winograd(60, 384, 3, 5, 352, 1, "f32")
      winograd(10, 128, 9, 11, 96, 1, "bf16")
      winograd(9, 48, 8, 9, 16, 1, "f32")
    end },
    { name = "bf16", check = function()
      in_bf16(function(x, w, b) return lt.conv2d(x, w, b, 2, 1) end, { 2, 8, 9, 9 },
        { 16, 8, 3, 3 }, { 16 })
      in_bf16(function(x, w, b) return lt.conv1d(x, w, b, 1, 2, 1, 24) end, { 2, 24, 30 },
        { 24, 1, 5 }, { 24 })
      in_bf16(function(x, w, b) return lt.conv_transpose1d(x, w, b, 2) end, { 2, 6, 10 },
        { 6, 5, 4 }, { 5 })
    end },
    { name = "empty", check = function()
      local x = lt.zeros(0, 3, 8):set_requires_grad()
      local w = lt.randn(4, 3, 3):set_requires_grad()
      local y = lt.conv1d(x, w, nil, 1, 1)
      assert(table.concat(y:size(), " ") == "0 4 8")
      y:sum():backward()
      assert(w.grad:abs():sum():item() == 0)
    end },
    { name = "errors", check = function()
      local ok, message = pcall(lt.conv2d, lt.zeros(2, 3, 8, 8), lt.zeros(4, 1, 3, 3))
      assert(not ok and message:find("3 channels", 1, true) and message:find("expects 1", 1, true),
        message)
      ok, message = pcall(lt.conv2d, lt.zeros(2, 3, 8, 8), lt.zeros(4, 3, 9, 9))
      assert(not ok and message:find("does not fit", 1, true), message)
      ok, message = pcall(lt.conv1d, lt.zeros(2, 3, 8, 8), lt.zeros(4, 3, 3))
      assert(not ok and message:find("dimensions", 1, true), message)
    end },
  },
}
