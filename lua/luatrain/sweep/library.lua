--- A system library that is loaded when it is first asked for.
local ffi = require "ffi"
local failure = require "luatrain.failure"

local library = {}

--- A function that returns the library, by the first of `names` that is installed; where none is it raises
-- `missing`, a sentence.
function library.on_demand(names, missing)
  local loaded
  return function()
    if loaded then return loaded end
    for _, name in ipairs(names) do
      local ok, found = pcall(ffi.load, name)
      if ok then
        loaded = found
        return loaded
      end
    end
    failure.raise("io", "%s", missing)
  end
end

return library
