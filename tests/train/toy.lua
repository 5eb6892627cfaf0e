-- A small recipe for the tests: which half-space a random point lies in, with dropout, batch norm
-- and a schedule, so that every kind of state matters. Settings make it go wrong on demand.
local lt = require "luatrain"
local config, nn = lt.config, lt.nn

local recipe = {summary = "points and half-spaces"}

recipe.config = {
  epochs = 2, batch_size = 8,
  learning_rate = config.number(1e-2, "learning rate", {min = 0}),
  width = config.integer(8, "hidden units", {min = 1}),
  samples = config.integer(50, "training samples", {min = 1}),
  broken = config.integer(0, "how many samples cannot be read", {min = 0}),
  nan_at = config.integer(0, "the sample that holds a NaN", {min = 0}),
  bad_log = config.flag(false, "take the logarithm of a negative number"),
  pause = config.number(0, "seconds that a step lasts at least", {min = 0}),
  nested = {depth = config.integer(1, "a nested setting", {min = 1})},
}

local function points(c, count, first)
  return lt.data.from(count, function(i)
    if first and i <= c.broken then lt.data.damaged("cannot be read") end
    local x = lt.randn(4)
    local label = x:get(1) + 0.1 * math.random() > 0 and 1 or 0
    if first and i == c.nan_at then x:set(0 / 0, 2) end
    return {x = x, label = label, index = i}
  end):collate {label = "i64", index = "i64"}
end

function recipe.data(c)
  return {train = points(c, c.samples, true), valid = points(c, 20)}
end

function recipe.model(c)
  return nn.Sequential(nn.Linear(4, c.width), nn.BatchNorm1d(c.width), nn.GELU(), nn.Dropout(0.2),
    nn.Linear(c.width, 2))
end

function recipe.optimizer(model, c, plan)
  local optimizer = lt.optim.AdamW(model:named_parameters(), {lr = c.learning_rate})
  return optimizer, lt.schedule.cosine(optimizer, {total = math.max(plan.steps, 1), warmup = 2})
end

function recipe.step(model, batch, c)
  local stop = lt.time() + c.pause
  local y = model(batch.x)                                       -- (N, 2)
  local loss = lt.cross_entropy(y, batch.label)
  if c.bad_log then loss = loss + (y - 100):log():mean() end
  while lt.time() < stop do end
  return loss, {accuracy = lt.metrics.accuracy(y, batch.label)}
end

recipe.keep = {best = "val_loss", mode = "min"}

recipe.commands = {
  greet = {
    help = "print a word", arguments = "NAME...",
    config = {word = config.string("hello", "what to say")},
    run = function(c, context) print(c.word .. " " .. table.concat(context.arguments, " ")) end,
  },
  fail = function() return 9 end,
}

return recipe
