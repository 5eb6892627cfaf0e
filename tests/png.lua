-- PNG files in tests.
local assert = require "luassert"
local fs = require "luatrain.fs"

local png = {}

--- Width, height and bytes of a PNG file, from its header.
function png.size(path)
  local text = fs.read(path)
  assert.equal("\137PNG\r\n\26\n", text:sub(1, 8))
  local function big(at)
    local a, b, c, d = text:byte(at, at + 3)
    return ((a * 256 + b) * 256 + c) * 256 + d
  end
  return big(17), big(21), #text
end

return png
