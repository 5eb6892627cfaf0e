-- Sweep files for the tests, written into a folder.
local fs = require "luatrain.fs"

local files = {}

--- Writes FOLDER/NAME.lua with a study of this name; fields: Lua text of what it holds. Returns the path.
function files.write(folder, name, fields)
  local path = fs.join(folder, name .. ".lua")
  fs.write(path, ("return { name = %q, sampler = \"random\",\n%s\n}\n"):format(name, fields))
  return path
end

--- An objective of x and a choice that takes `seconds` of waiting.
function files.wait(seconds)
  return ([[objective = function(trial)
    local x = trial:suggest("x", lt.uniform(-5, 5))
    local kind = trial:suggest("kind", lt.choice {"a", "b", true, 3})
    local ffi = require "ffi"
    ffi.cdef "int usleep(unsigned)"
    ffi.C.usleep(%d)
    return x * x + (kind == "b" and 1 or 0)
  end]]):format(seconds * 1e6)
end

return files
