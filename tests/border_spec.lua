-- The border between C and Lua: the header is exactly what the library exports.
local ffi = require "ffi"
local C = require("luatrain.core").C

local function library()
  for line in io.lines "/proc/self/maps" do
    local path = line:match "(/%S*libluatrain%-%w+%.so)"
    if path then return path end
  end
end

describe("the C interface", function()
  it("exports exactly the functions that the header declares", function()
    local declared, exported = {}, {}
    local text = ffi.string(C.lt_cdef()):gsub("//[^\n]*", "")
    for name in text:gmatch "([%w_]+)%s*%(" do
      if name:match "^lt_" then declared[name] = true end
    end
    local pipe = io.popen("nm -D --defined-only " .. library())
    for line in pipe:lines() do
      local name = line:match " T (%S+)$"
      if name and name ~= "lt_main" and not name:match "^__" then exported[name] = true end
    end
    pipe:close()
    assert(exported.lt_copy, "nm found nothing")
    assert.are.same(declared, exported)
  end)

  it("has every declared function in the library", function()
    local text = ffi.string(C.lt_cdef()):gsub("//[^\n]*", "")
    for name in text:gmatch "([%w_]+)%s*%(" do
      if name:match "^lt_" then assert(C[name] ~= nil, name) end
    end
  end)

  it("agrees with Lua on sizes", function()
    assert.are.equal(ffi.sizeof "lt_tensor", tonumber(C.lt_sizeof_tensor()))
    assert.are.equal(152, ffi.sizeof "lt_tensor")
  end)
end)
