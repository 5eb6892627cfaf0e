-- A data set for loader tests, made again in each worker: random vectors, some samples damaged,
-- some slow. `lt` is there without a require.
return function(arguments)
  local set = lt.data.from(arguments.count, function(i)
    if arguments.damaged and i % arguments.damaged == 0 then error("sample is broken", 0) end
    if arguments.slow and i % 3 == 0 then
      local stop = lt.time() + arguments.slow
      while lt.time() < stop do end
    end
    return {x = lt.randn(3), draw = math.random(), index = i, name = "n" .. i}
  end)
  return {train = set:collate {index = "i64"}}
end
