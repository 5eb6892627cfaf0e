-- Learns a small amplifier and writes it as JSON that RTNeural plays in a C++ plugin, one sample at a time.
--
--   luatrain examples/plugin.lua [amp.json]
lt.manual_seed(1)
local nn, path = lt.nn, arg[1] or "amp.json"
local dry = lt.randn(16, 100, 1) * 2                       -- (N, T, 1)
local echo = dry:pad({ 0, 0, 1, 0 }):narrow(2, 1, 100)     -- one sample later
local wet = (dry + 0.5 * echo):tanh()

local model = nn.Sequential { nn.LSTM(1, 12, { batch_first = true }), nn.Linear(12, 1) }
local optimizer = lt.optim.AdamW(model:parameters(), { lr = 0.02 })
for step = 1, 300 do
  local value = lt.scope(function()
    local loss = lt.loss.mse(model(dry), wet)
    optimizer:zero_grad()
    loss:backward()
    optimizer:step()
    return loss:item()
  end)
  if step % 100 == 0 then print(("step %d  loss %.5f"):format(step, value)) end
end

lt.export.rtneural(model, path, { examples = { dry:select(1, 1) } })
print(("%s: differs from the model by %.2g"):format(path, (lt.export.check(path))))
local plugin = lt.export.network(path)                     -- what the plugin will do
for _, sample in ipairs { 0.5, -1, 0.25 } do print(sample, plugin:step({ sample })[1]) end
