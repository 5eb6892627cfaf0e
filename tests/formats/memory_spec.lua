-- Readers and writers when memory ends at the n-th allocation, for every n.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local C, check = core.C, core.check

local directory
before_each(function() directory = fs.temporary_directory() end)
after_each(function()
  C.lt_memory_fail_at(0)
  fs.remove_tree(directory)
end)

local function storages()
  local stats = ffi.new "lt_memory_stats"
  C.lt_memory(stats)
  return tonumber(stats.storages)
end

-- Runs call with the n-th allocation failing, n = 1, 2, ... until it succeeds; returns n - 1.
local function until_success(call, after)
  for n = 1, 100 do
    C.lt_memory_fail_at(n)
    local status = call()
    C.lt_memory_fail_at(0)
    after(status == 0)
    if status == 0 then return n - 1 end
    assert.are.equal(C.LT_ERR_MEMORY, status)
    assert.is_truthy(#ffi.string(C.lt_error()) > 0)
  end
  error "it never succeeds"
end

describe("without memory", function()
  it("a safetensors file is refused, and nothing stays", function()
    local out = ffi.new "lt_safetensors *[1]"
    local before = storages()
    local failures = until_success(function()
      return C.lt_safetensors_open(out, "tests/golden/formats.safetensors")
    end, function(good) assert.is_true(good or out[0] == nil) end)
    assert.is_true(failures >= 4)
    local t = ffi.new "lt_tensor"
    failures = until_success(function() return C.lt_safetensors_read(t, out[0], 3) end, function() end)
    assert.is_true(failures >= 1)
    C.lt_tensor_release(t)
    C.lt_safetensors_close(out[0])
    assert.are.equal(before, storages())
  end)

  it("a safetensors file is not written, not even in part", function()
    local path = directory .. "/x"
    local t = lt.arange(12):view(3, 4):transpose(1, 2)
    local names, tensors = ffi.new("const char *[1]", { "x" }), ffi.new("const lt_tensor *[1]", { t.c })
    local failures = until_success(function()
      return C.lt_safetensors_write(path, 1, names, tensors, 0, nil)
    end, function(good) assert.are.equal(good and 1 or 0, #fs.list(directory)) end)
    assert.is_true(failures >= 3)
  end)

  it("a MIDI file is refused", function()
    local song = { notes = {}, tempos = {}, controls = {} }
    for i = 1, 300 do
      song.notes[i] = { start = i, stop = i + 0.5, pitch = 60 }
      song.tempos[i] = { time = i, bpm = 100 + i }
      song.controls[i] = { time = i, number = 64, value = i % 2 * 127 }
    end
    local data = lt.midi.encode(song)
    local out = ffi.new "lt_midi *[1]"
    local failures = until_success(function() return C.lt_midi_parse(out, "x", data, #data, 0) end,
      function(good) assert.is_true(good or out[0] == nil) end)
    assert.is_true(failures >= 6)
    C.lt_midi_close(out[0])
  end)

  it("files and listings are refused", function()
    local path = directory .. "/x"
    fs.write(path, ("x"):rep(10000))
    local buffer = ffi.new "lt_buffer"
    for _, call in ipairs {
      function() return C.lt_file_read(buffer, path, 1e9) end,
      function() return C.lt_dir_list(buffer, directory) end,
      function() return C.lt_file_temporary(buffer, path) end,
    } do
      assert.are.equal(1, until_success(call, function(good) assert.is_true(good or buffer.data == nil) end))
      C.lt_buffer_release(buffer)
    end
    local a = ffi.new "lt_appender *[1]"
    check(C.lt_appender_open(a, directory .. "/events"))
    assert.are.equal(1, until_success(function() return C.lt_events_write(a[0], "abc", 3) end,
      function() end))
    check(C.lt_appender_close(a[0]))
    assert.are.equal(19, fs.stat(directory .. "/events").bytes)
  end)
end)
