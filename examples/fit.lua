-- Fits a curve to noisy points: tensors, gradients and an optimizer, without a recipe.
--
--   luatrain examples/fit.lua
lt.manual_seed(1)
local nn = lt.nn
local x = lt.linspace(-3, 3, 200):unsqueeze(2)             -- (200, 1)
local y = x:sin() + lt.randn(200, 1) * 0.1

local model = nn.Sequential { nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1) }
local optimizer = lt.optim.AdamW(model:parameters(), { lr = 0.02 })

for step = 1, 500 do
  local value = lt.scope(function()                        -- releases what the step made
    local loss = ((model(x) - y) ^ 2):mean()
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()
    return loss:item()
  end)
  if step % 100 == 0 then print(("step %d  loss %.4f"):format(step, value)) end
end
