--- The C functions of luatrain.h, read from its text: prototype, comment and room.
local ffi = require "ffi"
local core = require "luatrain.core"

local header = {}

local index

-- The comment lines, the banner and what follows it are remembered until a prototype ends.
local function read(text)
  local list, banner, opening, comment = {}, "", {}, {}
  local declaration, fresh
  local function finish()
    local name = declaration:match "([%a_][%w_]*)%s*%b()%s*;"
    if name and not declaration:find "^%s*typedef" then
      local one = { name = name, prototype = declaration:gsub("%s*//[^\n]*", ""), room = banner,
        doc = comment, opening = opening }
      local aside = declaration:match "//%s*([^\n]*)$"
      if aside then one.doc = { aside } end
      list[#list + 1], list[name] = one, one
    end
    declaration = nil
  end
  local depth = 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local title = line:match "^// %-%-%-%- (.-) %-+$"
    if title then
      banner, opening, comment, fresh = title, {}, {}, true
    elseif line:find "^//" then
      if not fresh then comment, fresh = {}, true end
      comment[#comment + 1] = line:gsub("^// ?", "")
    elseif line == "" then
      if #list == 0 or list[#list].room ~= banner then
        if fresh then opening = comment end
      end
      fresh = nil
    else
      fresh = nil
      declaration = declaration and declaration .. "\n" .. line or line
      depth = depth + select(2, line:gsub("{", "")) - select(2, line:gsub("}", ""))
      if depth == 0 and line:find ";%s*$" or depth == 0 and line:find ";%s*//" then finish() end
    end
  end
  return list
end

--- All C functions in the order of the headers, also by name: {name, prototype, room, doc = lines}.
function header.functions()
  index = index or read(ffi.string(core.C.lt_cdef()))
  return index
end

--- The function at an address (a function of the C namespace), or nil.
function header.of(value)
  local address = ffi.cast("void *", value)
  for _, one in ipairs(header.functions()) do
    local ok, f = pcall(function() return core.C[one.name] end)
    if ok and ffi.cast("void *", f) == address then return one end
  end
end

return header
