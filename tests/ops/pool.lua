local function pool(name, f, shape)
  return { name = name, fn = f, inputs = { shape } }
end

return {
  golden = "ops_pool",
  cases = {
    -- maxima have kinks wherever two inputs are close: goldens only
    { name = "max_pool1d", fn = function(x) return lt.max_pool1d(x, 3, 2, 1) end },
    { name = "max_pool1d_dilated", fn = function(x) return lt.max_pool1d(x, 3, 1, 1, 2) end },
    { name = "max_pool2d", fn = function(x) return lt.max_pool2d(x, 3, 2, 1) end },
    { name = "max_pool2d_uneven",
      fn = function(x) return lt.max_pool2d(x, { 2, 3 }, { 1, 2 }, { 1, 0 }) end },
    { name = "max_pool2d_nan", fn = function(x) return lt.max_pool2d(x, 2) end },
    pool("avg_pool1d", function(x) return lt.avg_pool1d(x, 4, 2, 1) end, { 2, 5, 11 }),
    pool("avg_pool2d", function(x) return lt.avg_pool2d(x, 3, 2, 1) end, { 2, 18, 9, 8 }),
    pool("avg_pool2d_exclude", function(x)
      return lt.avg_pool2d(x, { 3, 2 }, { 2, 1 }, { 1, 1 }, false, false)
    end, { 2, 3, 7, 8 }),
    pool("adaptive_avg_pool1d", function(x) return lt.adaptive_avg_pool1d(x, 4) end, { 2, 5, 11 }),
    pool("adaptive_avg_pool2d", function(x) return lt.adaptive_avg_pool2d(x, { 3, 5 }) end,
      { 2, 18, 7, 8 }),
    pool("global_avg", function(x) return lt.adaptive_avg_pool2d(x, 1) end, { 3, 20, 5, 6 }),
    { name = "adaptive_max_pool1d", fn = function(x) return lt.adaptive_max_pool1d(x, 3) end },
    { name = "adaptive_max_pool2d", fn = function(x) return lt.adaptive_max_pool2d(x, { 3, 2 }) end },
    { name = "max_pool2d_ceil",
      fn = function(x) return lt.max_pool2d(x, 3, { stride = 2, padding = 1, ceil_mode = true }) end },
    pool("avg_pool2d_ceil", function(x)
      return lt.avg_pool2d(x, 3, { stride = 2, padding = 1, ceil_mode = true })
    end, { 2, 3, 8, 10 }),
    { name = "bf16", check = function()
      local x = lt.randn(2, 20, 6, 6):cast("bf16")
      for _, f in ipairs { function(t) return lt.max_pool2d(t, 2) end,
        function(t) return lt.avg_pool2d(t, 2) end } do
        local y, want = f(x), f(x:cast("f32"))
        assert(y:dtype() == "bf16")
        assert((y:cast("f32") - want):abs():max():item() < 0.02)
      end
    end },
    { name = "errors", check = function()
      local ok, message = pcall(lt.max_pool2d, lt.zeros(1, 2, 3, 3), 5)
      assert(not ok and message:find("does not fit", 1, true), message)
      ok, message = pcall(lt.max_pool1d, lt.zeros(1, 2, 8), 3, 1, 2)
      assert(not ok and message:find("half of the kernel", 1, true), message)
      ok, message = pcall(lt.avg_pool1d, lt.zeros(2, 8), 3)
      assert(not ok and message:find("wanted (N, C, T)", 1, true), message)
    end },
  },
}
