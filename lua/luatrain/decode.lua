--- Sequences from a model that says what comes next: greedy, sampled, or by beam search.
--
--     local found = lt.decode.greedy(model, state, 2, {bos = 1, eos = 2, max_length = 512})
--     print(found[1].score, table.concat(found[1].tokens, " "))
--     local best = lt.decode.beam(model, state, 2, {bos = 1, eos = 2, beam = 5, count = 3})
--     print(best[1][1].score)                            -- best[i] is a list, the best first
--
-- The model is any table with two methods. Rows are sequences that are being written side by side:
--
--     model:step(tokens, state)      tokens (N) i64, the newest of each row; gives scores (N, V) of what
--                                    comes next, before softmax
--     model:reorder(state, rows)     from now on row k is what row rows[k] was; the number of rows may change
--
-- `state` is the model's own: what it remembers of each row (keys, values, the encoder's result). Both may
-- change it. For an nn.TransformerDecoder, nn.decoder_cache does the work of both: step embeds the tokens and
-- calls cache:step, reorder calls cache:reorder. Tokens count from 0.
--
-- Options of all three: bos (the first token), eos (ends a sequence; nil: nothing does), max_length = 512
-- (new tokens, eos among them). Sequences are {tokens = list without bos and eos, score, ended = whether eos
-- came}; the score is the sum of the logarithms of the tokens' probabilities, eos included.
--
-- Runs without a tape, each step in a scope of its own.

local lt = require "luatrain"
local core = require "luatrain.core"
local options = require "luatrain.options"

local decode = {}

local COMMON = { bos = false, eos = false, max_length = 512 }

local function settings(who, given, own)
  local known = {}
  for _, defaults in ipairs { COMMON, own } do
    for name, value in pairs(defaults) do known[name] = value end
  end
  local o = options.read("decode." .. who, given, known)
  if type(o.bos) ~= "number" then core.fail("decode.%s: which token is bos?", who) end
  if not (o.max_length >= 1) then core.fail("decode.%s: max_length is %s", who, tostring(o.max_length)) end
  return o
end

-- ---- one continuation a row ---------------------------------------------------------------------

-- Writes `count` sequences; choose(scores, k) gives the next tokens as a list and the logarithms of their
-- probabilities. Rows that have ended leave the model.
local function write(model, state, count, o, choose)
  local found, live, tokens = {}, {}, {}
  for i = 1, count do
    found[i] = { tokens = {}, score = 0, ended = false }
    live[i], tokens[i] = i, o.bos
  end
  local function step()
    local chosen, logs = choose(model:step(lt.tensor(tokens, "i64"), state), live)
    local going, rows = {}, {}
    tokens = {}
    for k, token in ipairs(chosen) do
      local one = found[live[k]]
      one.score = one.score + logs[k]
      if token == o.eos then
        one.ended = true
      else
        one.tokens[#one.tokens + 1] = token
        going[#going + 1], rows[#rows + 1], tokens[#tokens + 1] = live[k], k, token
      end
    end
    if #going > 0 and #going < #live then model:reorder(state, rows) end
    live = going
  end
  for _ = 1, o.max_length do
    lt.no_grad(lt.scope, step)
    if #live == 0 then break end
  end
  return found
end

--- The likeliest token at every step.
-- @param model see above
-- @param state the model's, of `count` rows
-- @param count number of sequences
-- @param given bos, eos, max_length
-- @return list of sequences
function decode.greedy(model, state, count, given)
  local o = settings("greedy", given, {})
  return write(model, state, count, o, function(scores)
    local best, at = lt.decode_best(scores)
    return at:flat(), best:flat()
  end)
end

-- Of descending probabilities, how many hold at least the share p.
local function nucleus(list, p)
  local sum = 0
  for k, one in ipairs(list) do
    sum = sum + one
    if sum >= p then return k end
  end
  return #list
end

-- The place that a uniform number finds in a list of probabilities, of which the first n count.
local function draw(list, n, uniform)
  local total, sum = 0, 0
  for k = 1, n do total = total + list[k] end
  for k = 1, n do
    sum = sum + list[k]
    if uniform * total < sum then return k end
  end
  return n
end

--- Tokens drawn at random: of the scores divided by `temperature`, only the `top_k` likeliest, and of
-- these only the likeliest that together hold the share `top_p` (Holtzman et al. 2020).
-- @param given bos, eos, max_length; temperature = 1, top_k = 0 (all), top_p = 1, generator = the
--   default one
-- @return list of sequences; scores are those of the distribution that was drawn from
function decode.sample(model, state, count, given)
  local o = settings("sample", given, { temperature = 1, top_k = 0, top_p = 1, generator = false })
  if not (o.temperature > 0) then core.fail("decode.sample: temperature is %s", tostring(o.temperature)) end
  if not (o.top_p > 0) then core.fail("decode.sample: top_p is %s", tostring(o.top_p)) end
  return write(model, state, count, o, function(scores, live)
    local most = o.top_k > 0 and math.min(o.top_k, scores:size(2)) or scores:size(2)
    local values, places = lt.topk(scores * (1 / o.temperature), most, 2)
    local shares, names = values:softmax(2):tolist(), places:tolist()
    -- A number for every sequence, whether it has ended or not: each depends on its own steps only.
    local uniform = lt.rand(count, { generator = o.generator or nil }):tolist()
    local chosen, logs = {}, {}
    for k, list in ipairs(shares) do
      local n = nucleus(list, o.top_p)
      local at, total = draw(list, n, uniform[live[k]]), 0
      for i = 1, n do total = total + list[i] end
      chosen[k], logs[k] = names[k][at], math.log(list[at] / total)
    end
    return chosen, logs
  end)
end

-- ---- beam search --------------------------------------------------------------------------------

-- A search for one sequence: `live` hypotheses {tokens (a linked list), score}, and those that ended.
local function new_search(o)
  return { live = { { score = 0 } }, ended = {}, o = o }
end

local function normalised(score, length, o) return score / length ^ o.length_penalty end

-- Keeps an ended hypothesis if it is among the best `beam`.
local function keep(search, hypothesis, score, length, ended)
  local list, o = search.ended, search.o
  local value = normalised(score, length, o)
  local at = #list + 1
  while at > 1 and list[at - 1].value < value do at = at - 1 end
  table.insert(list, at, { value = value, score = score, last = hypothesis, ended = ended })
  if #list > o.beam then list[#list] = nil end
end

-- True where no live hypothesis, were it to end as good as it is, would be kept.
local function is_over(search, length)
  local list, o = search.ended, search.o
  if #search.live == 0 then return true end
  if #list < o.beam then return false end
  return list[o.beam].value >= normalised(search.live[1].score, length, o)
end

-- Takes the candidates, best first: score, row (from 1, of the search's own), token.
local function extend(search, candidates, length)
  local live, o, rows = {}, search.o, {}
  for rank, c in ipairs(candidates) do
    if #live == o.beam then break end
    local before = search.live[c.row]
    if c.token == o.eos then
      -- One that is not among the best `beam` of this step would have been left out without eos, too.
      if rank <= o.beam then keep(search, before, c.score, length, true) end
    else
      live[#live + 1] = { token = c.token, before = before, score = c.score }
      rows[#rows + 1] = c.row
    end
  end
  search.live = live
  return rows
end

local function tokens_of(hypothesis)
  local reversed, list = {}, {}
  while hypothesis.before do
    reversed[#reversed + 1], hypothesis = hypothesis.token, hypothesis.before
  end
  for k = #reversed, 1, -1 do list[#list + 1] = reversed[k] end
  return list
end

-- The best candidates of every search: scores (rows, V) are of all searches' live hypotheses, one
-- search behind the other.
local function candidates_of(searches, scores)
  local sums, counts, lists = {}, {}, {}
  for i, search in ipairs(searches) do
    counts[i] = #search.live
    for _, one in ipairs(search.live) do sums[#sums + 1] = one.score end
  end
  local values, places = lt.decode_best(scores, 2 * searches[1].o.beam, lt.tensor(sums), counts)
  values, places = values:tolist(), places:tolist()
  local vocabulary = scores:size(2)
  for i, list in ipairs(values) do
    local found = {}
    for k, score in ipairs(list) do
      local at = places[i][k]
      if at < 0 then break end
      found[k] = { score = score, row = math.floor(at / vocabulary) + 1, token = at % vocabulary }
    end
    lists[i] = found
  end
  return lists
end

-- One step of all searches; returns those that go on.
local function advance(model, state, searches, length)
  local tokens = {}
  for _, search in ipairs(searches) do
    for _, one in ipairs(search.live) do tokens[#tokens + 1] = one.token or search.o.bos end
  end
  local before, lists = {}, candidates_of(searches, model:step(lt.tensor(tokens, "i64"), state))
  local first = 0
  for i, search in ipairs(searches) do
    before[i] = first
    first = first + #search.live
  end
  local going, rows = {}, {}
  for i, search in ipairs(searches) do
    local own = extend(search, lists[i], length)
    if not is_over(search, length) then
      going[#going + 1] = search
      for _, row in ipairs(own) do rows[#rows + 1] = before[i] + row end
    end
  end
  local same = #rows == #tokens
  for k, row in ipairs(rows) do same = same and row == k end
  if #rows > 0 and not same then model:reorder(state, rows) end
  return going
end

--- The best of several hypotheses that are followed side by side.
--
-- At each step the 2 * beam best continuations of a search's hypotheses are looked at: those with eos among
-- the best `beam` end, the `beam` best others go on. Hypotheses are compared by score / length ^
-- length_penalty (length: tokens with eos); a search is over when `beam` have ended and none that goes on is
-- better as it is. Definition: that of Hugging Face's generate with early_stopping = false.
-- @param given bos, eos, max_length; beam = 5; length_penalty = 1 (0: the sum itself, more: longer ones);
--   count = 1, how many to return
-- @return list of lists of sequences, the best first; `value` is what they were compared by
function decode.beam(model, state, count, given)
  local o = settings("beam", given, { beam = 5, length_penalty = 1, count = 1 })
  if not (o.beam >= 1 and o.count >= 1 and o.count <= o.beam) then
    core.fail("decode.beam: beam %s, count %s; count is from 1 to beam", tostring(o.beam), tostring(o.count))
  end
  local all, going = {}, {}
  for i = 1, count do
    all[i] = new_search(o)
    going[i] = all[i]
  end
  local length = 0
  while #going > 0 and length < o.max_length do
    length = length + 1
    going = lt.no_grad(lt.scope, advance, model, state, going, length)
  end
  for _, search in ipairs(going) do
    for _, one in ipairs(search.live) do keep(search, one, one.score, length, false) end
  end
  local found = {}
  for i, search in ipairs(all) do
    found[i] = {}
    for k = 1, math.min(o.count, #search.ended) do
      local one = search.ended[k]
      found[i][k] = { tokens = tokens_of(one.last), score = one.score, value = one.value, ended = one.ended }
    end
  end
  return found
end

return decode
