-- TensorBoard event files against golden bytes; the framing against known checksums.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local tensorboard = require "luatrain.tensorboard"
local C = core.C
local encode = tensorboard.encode

local function hex(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function bytes(text)
  return (text:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

local function crc(text)
  return tonumber(C.lt_crc32c(0, text, #text))
end

describe("crc32c", function()
  it("gives the known sums", function()
    assert.are.equal(0xE3069283, crc "123456789")
    assert.are.equal(0x8A9136AA, crc(("\0"):rep(32)))
    assert.are.equal(0, crc "")
    local text = ("The quick brown fox"):rep(7)
    for n = 0, 40 do
      local first = C.lt_crc32c(0, text, n)
      assert.are.equal(crc(text), tonumber(C.lt_crc32c(first, ffi.cast("const char *", text) + n,
        #text - n)))
    end
  end)
end)

describe("events", function()
  it("have the golden bytes", function()
    assert.are.equal("0900000040fc54d9411a0d627261696e2e4576656e743a32", hex(encode.version(1700000000)))
    assert.are.equal("0900004040fc54d94110072a0d0a0b0a046c6f7373150000003f",
      hex(encode.scalar("loss", 0.5, 7, 1700000001)))
    assert.are.equal("0900004040fc54d94110072a230a210a046c6f7373420a080112002a040000003f4a0d0a090a07736361"
      .. "6c6172732001", hex(encode.scalar_tensor("loss", 0.5, 7, 1700000001)))
    assert.are.equal("0900008040fc54d94110032a1f0a1d0a056e6f746573420808071200420268694a0a0a060a0474657874"
      .. "2002", hex(encode.text("notes", "hi", 3, 1700000002)))
    local rows = tensorboard.histogram_rows({ 0, 1, 2, 3 }, 2)
    assert.are.equal("0900008040fc54d94110032a570a550a0168423e080212081202080212020803223000000000000000000"
      .. "00000000000f83f0000000000000040000000000000f83f000000000000084000000000000000404a100a0c0a0a6869"
      .. "73746f6772616d732002", hex(encode.histogram("h", rows, 2, 3, 1700000002)))
    assert.are.equal("0900000040fc54d9412a680a660a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666"
      .. "f42060801120212004a3e0a3c0a0768706172616d7312311a2f0a0f0a026c72120911fca9f1d24d62503f0a0d0a036f7"
      .. "07412061a046164616d220472756e312900000040fc54d941",
      hex(encode.session_start({ lr = 0.001, opt = "adam" }, "run1", 1700000000)))
    assert.are.equal("0900000059fc54d9412a420a400a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f420"
      .. "60801120212004a1a0a180a0768706172616d73120d220b08011100000059fc54d941",
      hex(encode.session_end("success", 1700000100)))
    local experiment = hex(encode.experiment({ lr = 0.001 }, { "loss" }, 1700000000))
    assert.is_truthy(experiment:find("121222060a026c7220032a080a0612046c6f7373", 1, true), experiment)
  end)
end)

describe("a writer", function()
  local directory
  before_each(function() directory = fs.temporary_directory() end)
  after_each(function() fs.remove_tree(directory) end)

  it("frames records with their checksums", function()
    local now = 1700000000
    local w = tensorboard.writer(directory .. "/run", { clock = function() return now end, suffix = ".v2" })
    assert.is_truthy(fs.basename(w.path):find "^events%.out%.tfevents%.1700000000%..*%.%d+%.%d+%.v2$")
    now = 1700000001
    w:scalar("loss", 0.5, 7)
    w:close()
    w:close()
    assert.are.equal("1800000000000000a37f4b220900000040fc54d9411a0d627261696e2e4576656e743a32eced8f9d"
      .. "1a00000000000000129bd82d0900004040fc54d94110072a0d0a0b0a046c6f7373150000003f368fc084",
      hex(fs.read(w.path)))
    assert.is_false(pcall(w.scalar, w, "loss", 1, 1))
    local payload = encode.scalar_tensor("loss", 0.5, 7, 1700000001)
    local other = tensorboard.writer(directory)
    local start = #fs.read(other.path)
    other:record(payload)
    assert.are.equal("300000000000000095f5d05f" .. hex(payload) .. "fa63b106",
      hex(fs.read(other.path):sub(start + 1)))
    other:close()
  end)

  it("takes tensors, images and what runs are compared by", function()
    local w = tensorboard.writer(directory)
    w:scalars({ ["train/loss"] = 0 / 0, ["train/acc"] = 1 }, 0)
    w:histogram("weights", lt.arange(10), 1, 5)
    w:text("notes", "*hi*", 1)
    w:image("curve", "\137PNG\r\n\26\n\0\0\0\13IHDR\0\0\0\3\0\0\0\2rest", 1)
    w:hparams({ lr = 0.1, opt = "sgd", fast = true }, { "train/loss" }, "g")
    w:finish "success"
    w:close()
    local text = fs.read(w.path)
    for _, words in ipairs { "train/acc", "histograms", "*hi*", "images", "_hparams_/session_end_info" } do
      assert.is_truthy(text:find(words, 1, true), words)
    end
    assert.is_truthy(text:find(bytes "420133420132", 1, true), "width 3 and height 2")
  end)

  it("refuses what makes no sense", function()
    local w = tensorboard.writer(directory)
    for words, f in pairs {
      ["step is -1"] = function() w:scalar("a", 1, -1) end,
      ["step is 1.5"] = function() w:scalar("a", 1, 1.5) end,
      ["a tag should be"] = function() w:scalar("", 1, 1) end,
      ["is a string, not a number"] = function() w:scalar("a", "1", 1) end,
      ["no PNG"] = function() w:image("a", "GIF", 1) end,
      ["no status"] = function() w:finish "done" end,
    } do
      local good, message = pcall(f)
      assert.is_false(good)
      assert.is_truthy(message:find(words, 1, true), message)
    end
    w:close()
  end)

  it("names the file when the disk is full", function()
    local w = tensorboard.writer(directory)
    core.check(C.lt_file_fault "write:1:ENOSPC")
    local good, message = pcall(w.scalar, w, "a", 1, 1)
    core.check(C.lt_file_fault(nil))
    assert.is_false(good)
    assert.is_truthy(message:find(w.path .. ": No space left", 1, true), message)
    core.check(C.lt_file_fault "fsync:1:EIO,open:1:EMFILE")
    good, message = pcall(w.close, w)
    assert.is_false(good)
    assert.is_truthy(message:find(w.path .. ": fsync: Input/output error", 1, true), message)
    good, message = pcall(tensorboard.writer, directory)
    core.check(C.lt_file_fault(nil))
    assert.is_false(good)
    assert.is_truthy(message:find("Too many open files", 1, true), message)
    w:close()
  end)
end)

describe("histograms", function()
  local function rows_of(values, bins)
    local rows, list = tensorboard.histogram_rows(values, bins), {}
    for i = 0, bins * 3 - 1 do list[i + 1] = rows[i] end
    return list
  end

  it("count into equal bins", function()
    assert.are.same({ 0, 1.5, 2, 1.5, 3, 2 }, rows_of({ 0, 1, 2, 3 }, 2))
    assert.are.same({ 4, 4, 0, 4, 4, 3 }, rows_of({ 4, 4, 4 }, 2))
    assert.are.same({ 0, 0, 0, 0, 0, 0 }, rows_of({}, 2))
    assert.are.same({ 0, 1, 1, 1, 2, 1 }, rows_of({ 0, 2, 0 / 0, 1 / 0, -1 / 0 }, 2))
  end)
end)
