-- Programs in Python that tests compare with: the Python named by LUATRAIN_PEER_PYTHON, else python3.
-- Where it lacks a package the test is skipped, with a message.
local fs = require "luatrain.fs"
local process = require "luatrain.process"

local peer = {}

local python = process.which(os.getenv "LUATRAIN_PEER_PYTHON" or "python3")

--- Whether Python can import all packages; if not, the second result says what is missing.
function peer.has(...)
  if not python then return false, "no Python here" end
  for _, name in ipairs { ... } do
    if not process.run({ python, "-c", "import " .. name }, { timeout = 120 }).ok then
      return false, ("%s has no %s; name another with LUATRAIN_PEER_PYTHON"):format(python, name)
    end
  end
  return true
end

--- Runs tests/interop/SCRIPT with arguments; returns the JSON that it printed last.
function peer.run(script, ...)
  local result = process.run({ python, fs.join("tests/interop", script), ... }, { timeout = 300 })
  assert(result.ok, result.output)
  return require("luatrain.json").decode(result.output:match "[^\n]+%s*$")
end

return peer
