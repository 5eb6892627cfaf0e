-- A data set for loader tests, made again in each worker: random vectors, some samples damaged,
-- some slow, one met by a mistake. `lt` is there without a require.
return function(arguments)
  local set = lt.data.from(arguments.count, function(i)
    if arguments.damaged and i % arguments.damaged == 0 then lt.data.damaged("sample is broken") end
    if i == arguments.mistake then arguments.no_such_table.x = 1 end
    if arguments.slow and i % 3 == 0 then
      local stop = lt.time() + arguments.slow
      while lt.time() < stop do end
    end
    return {x = lt.randn(3), draw = math.random(), index = i, name = "n" .. i}
  end)
  return {train = set:collate {index = "i64"}}
end
