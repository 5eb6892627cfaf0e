-- The optimizers' kernels; tests/optim holds their tests against PyTorch.
local cases = {}
for _, name in ipairs { "SGD", "Adam", "AdamW", "RMSprop" } do
  cases[#cases + 1] = { name = name .. " moves against the gradient, and never a parameter without one",
    check = function()
      local p, q = lt.tensor { 1, -1 }:set_requires_grad(), lt.tensor { 5 }:set_requires_grad()
      p.grad = lt.tensor { 2, -2 }
      local optimizer = lt.optim[name]({ p, q }, { lr = 0.1 })
      optimizer:step()
      local x = p:flat()
      assert(x[1] < 1 and x[2] > -1 and x[1] == -x[2] and q:item() == 5)
      optimizer:zero_grad()
      assert(p.grad == nil)
      for _, state in pairs(optimizer.state) do
        for _, t in pairs(state) do if lt.is_tensor(t) then t:release() end end
      end
    end }
end
cases[#cases + 1] = { name = "gradient norm and clipping", check = function()
  local p = lt.tensor { 0, 0 }:set_requires_grad()
  p.grad = lt.tensor { 3, 4 }
  assert(lt.optim.clip_grad_norm_({ p }, 1) == 5)
  assert(math.abs(lt.optim.grad_norm { p } - 1) < 1e-6)
end }
cases[#cases + 1] = { name = "moving averages", check = function()
  local a, p = lt.tensor { 1, 2 }, lt.tensor { 3, 6 }
  lt.optim.ema_update({ a }, { p }, 0.5)
  assert(table.concat(a:flat(), " ") == "2 4")
end }
return { cases = cases }
