return {
  golden = "ops_view",
  cases = {
    { name = "reshape", fn = function(x) return x:reshape(6, -1) end, inputs = { { 2, 3, 4 } } },
    { name = "flatten", fn = function(x) return x:flatten(2) end, inputs = { { 2, 3, 4 } } },
    { name = "permute", fn = function(x) return x:permute(3, 1, 2) end, inputs = { { 2, 3, 4 } } },
    { name = "transpose", fn = function(x) return x:transpose(1, -1) end, inputs = { { 2, 3, 4 } } },
    { name = "narrow", fn = function(x) return x:narrow(2, 2, 2) end, inputs = { { 2, 3, 4 } } },
    { name = "select", fn = function(x) return x:select(2, -1) end, inputs = { { 2, 3, 4 } } },
    { name = "slice", fn = function(x) return x:slice(3, 2, 4, 2) end, inputs = { { 2, 3, 4 } } },
    { name = "expand", fn = function(x) return x:expand(3, -1, 4) end, inputs = { { 2, 1 } } },
    { name = "contiguous", fn = function(x) return x:transpose(1, 2):contiguous() end,
      inputs = { { 2, 3, 4 } } },
    { name = "clone", fn = function(x) return x:clone() end, inputs = { { 2, 3, 4 } } },
    { name = "squeeze", fn = function(x) return x:squeeze(2) end, inputs = { { 2, 1, 3 } } },
    { name = "unsqueeze", fn = function(x) return x:unsqueeze(2) end, inputs = { { 2, 3 } } },
    { name = "bf16", fn = function(x) return x:cast("bf16"):cast("f32") end, tolerance = 5e-3 },
    { name = "creation", check = function()
      assert(table.concat(lt.arange(2, 9, 3):flat(), " ") == "2 5 8")
      assert(table.concat(lt.linspace(0, 1, 3):flat(), " ") == "0 0.5 1")
      assert(table.concat(lt.eye(2, 3):flat(), " ") == "1 0 0 0 1 0")
      assert(lt.full({ 2 }, 3, { dtype = "i64" }):dtype() == "i64")
      assert(lt.zeros(0, 3):numel() == 0)
      local y = lt.tensor { { 1, 2 }, { 3, 4 } }
      y[1] = 9
      y:set(7, 2, -1)
      assert(table.concat(y:flat(), " ") == "9 9 3 7")
    end },
    { name = "errors", check = function()
      local x = lt.zeros(2, 3)
      for _, f in ipairs {
        function() return x:reshape(4, 2) end,
        function() return x:narrow(2, 3, 2) end,
        function() return x:permute(1, 1) end,
        function() return x[3] end,
        function() return x:t():view(6) end,
        function() return x:size(3) end,
      } do
        local ok, e = pcall(f)
        assert(not ok and #e > 10 and e:find "ops/view.lua", e)
      end
    end },
  },
}
