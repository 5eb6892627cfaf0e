-- Searches the size and the learning rate of a small network: a sweep without a recipe.
--
--   luatrain sweep examples/sweep.lua run --parallel 2
--   luatrain sweep examples/sweep.lua best
local function train(trial, widths, rate)
  local nn = lt.nn
  lt.manual_seed(1)                                        -- the same points and weights in every trial
  local x = lt.linspace(-3, 3, 200):unsqueeze(2)           -- (200, 1)
  local y = (x * 2):sin() + lt.randn(200, 1) * 0.1
  local layers, inputs = {}, 1
  for _, width in ipairs(widths) do
    table.insert(layers, nn.Linear(inputs, width))
    table.insert(layers, nn.Tanh())
    inputs = width
  end
  table.insert(layers, nn.Linear(inputs, 1))
  local model, value = nn.Sequential(layers), nil
  local optimizer = lt.optim.AdamW(model:parameters(), { lr = rate })
  for step = 1, 200 do
    value = lt.scope(function()
      local loss = ((model(x) - y) ^ 2):mean()
      optimizer:zero_grad()
      loss:backward()
      optimizer:step()
      return loss:item()
    end)
    if step % 20 == 0 then
      trial:report(value, step)
      if trial:should_prune() then trial:prune() end
    end
  end
  return value
end

return {
  trials = 30, sampler = "tpe", pruner = { name = "median", warmup = 40 },
  objective = function(trial)
    local rate, widths = trial:suggest("rate", lt.log_uniform(1e-4, 1e-1)), {}
    for i = 1, trial:suggest("layers", lt.integer(1, 3)) do
      widths[i] = trial:suggest("width" .. i, lt.integer(4, 64, { log = true }))
    end
    return train(trial, widths, rate)                      -- mean squared error; the noise leaves 0.01
  end,
}
