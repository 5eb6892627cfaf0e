local assert = require "luassert"

local cases = {}
local function add(case)
  case.golden = false
  cases[#cases + 1] = case
end

-- All candidates of rows first to last, sorted.
local function sorted(scores, sums, first, last)
  local all = {}
  for row = first, last do
    local logs = lt.log_softmax(scores:narrow(1, row, 1), 2):flat()
    for word, log in ipairs(logs) do
      all[#all + 1] = { value = (sums and sums[row] or 0) + log, place = (row - first) * #logs + word - 1 }
    end
  end
  table.sort(all, function(a, b) return a.value > b.value end)
  return all
end

add { name = "decode_best finds the best of each sequence", check = function()
  for _, words in ipairs { 1, 7, 33, 1000 } do
    for _, k in ipairs { 1, 4, 10, 40 } do
      local counts, sums = { 3, 1, 0, 2 }, lt.randn(6)
      local scores = lt.randn(6, words) * 3
      local values, places = lt.decode_best(scores, k, sums, counts)
      values, places = values:tolist(), places:tolist()
      local first = 1
      for g, count in ipairs(counts) do
        local want = sorted(scores, sums:tolist(), first, first + count - 1)
        for i = 1, k do
          if want[i] then
            assert.are.equal(want[i].place, places[g][i])
            assert.is_true(math.abs(want[i].value - values[g][i]) < 1e-5)
          else
            assert.are.same({ -1, -math.huge }, { places[g][i], values[g][i] })
          end
        end
        first = first + count
      end
    end
  end
end }

add { name = "decode_best of single rows, of views", check = function()
  local scores = lt.randn(9, 5):transpose(1, 2)
  local values, places = lt.decode_best(scores)
  assert.are.same({ 5, 1 }, values:size())
  local want, at = lt.log_softmax(scores, 2):max(2)
  assert.are.same(at:tolist(), places:flatten():tolist())
  assert.is_true((want - values:flatten()):abs():max():item() < 1e-6)
end }

add { name = "decode_best takes the first of equals, and words that cannot be", check = function()
  local values, places = lt.decode_best(lt.tensor { { -math.huge, 2, 2, -math.huge, 2 } }, 5)
  assert.are.same({ 1, 2, 4, 0, 3 }, places:tolist()[1])
  assert.are.equal(-math.huge, values:tolist()[1][4])
end }

add { name = "decode_best refuses what is no number", check = function()
  local function bad(text, ...)
    local arguments = { ... }
    assert.error_matches(function() lt.decode_best(unpack(arguments, 1, 4)) end, text)
  end
  bad("sequence 1 hold a NaN", lt.tensor { { 1, 2 }, { 0 / 0, 1 } }, 2)
  bad("sequence 0 hold a NaN", lt.tensor { { 1, math.huge } }, 1)
  bad("counts add up to 3", lt.zeros(2, 2), 1, nil, { 1, 2 })
  bad("sequence 0 has %-1 rows", lt.zeros(2, 2), 1, nil, { -1, 3 })
  bad("sums is %(3%)", lt.zeros(2, 2), 1, lt.zeros(3))
  bad("wanted %(rows, words%)", lt.zeros(2))
end }

return { cases = cases }
