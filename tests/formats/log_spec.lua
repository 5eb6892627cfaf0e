-- Pictures, sounds and files of lt.log; that TensorBoard reads them is tested in tests/interop.
local fs = require "luatrain.fs"
local log = require "luatrain.log"

local function hex(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

describe("lt.log", function()
  it("writes a PNG whose bytes are those of zlib and the PNG standard", function()
    -- 2 x 1 grey pixels 0 and 255; checksums by Python's zlib.crc32 and zlib.adler32
    assert.are.equal("89504e470d0a1a0a" .. "0000000d49484452000000020000000108000000" .. "00d1492056"
      .. "0000000e49444154" .. "7801010300fcff0000ff01020100" .. "b7012ef7" .. "0000000049454e44ae426082",
      hex(log.png(lt.tensor { { 0, 1 } })))
  end)

  it("takes pictures of any size and refuses what is none", function()
    local text = log.png(lt.rand { 3, 200, 300 })              -- several stored blocks
    assert.are.equal("IEND", text:sub(-8, -5))
    local wrong = { ["wanted (H, W)"] = lt.rand { 5, 2, 2 }, ["1 to 16384"] = lt.rand { 1, 20000 } }
    for words, t in pairs(wrong) do
      local ok, message = pcall(log.png, t)
      assert.is_false(ok)
      assert.is_truthy(message:find(words, 1, true), message)
    end
  end)

  it("writes sounds to events and to WAV files that can be read again", function()
    local folder = fs.temporary_directory()
    local l = log.open(folder)
    local x = lt.rand { 2, 100 } * 2 - 1
    local path = l:audio("audio/predicted_2", x, 7, 22050)
    assert.are.equal(fs.join(folder, "audio/predicted_2-7.wav"), path)
    local y, rate = lt.audio.load(path)
    assert.are.equal(22050, rate)
    assert.is_true((y - x):abs():max():item() < 1e-4)
    local ok, message = pcall(l.audio, l, "a", lt.rand { 2, 2, 2 }, 1, 8000)
    assert.is_true(not ok and message:find("wanted (T) or (C, T)", 1, true) ~= nil)
    l:close()
    fs.remove_tree(folder)
  end)
end)
