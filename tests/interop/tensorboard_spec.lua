-- The real TensorBoard reads what lt.log writes.
package.path = "tests/interop/?.lua;" .. package.path
local peer = require "peer"
local fs = require "luatrain.fs"

describe("TensorBoard", function()
  local able, why = peer.has("tensorboard", "PIL")

  it("reads every kind of record", function()
    if not able then return pending(why) end
    local folder = fs.temporary_directory()
    local log = lt.log.open(folder)
    log:scalars({ ["train/loss"] = 0.5, ["val/acc_osc_1_wave"] = 87.5 }, 3)
    log:scalar("train/loss", 0.25, 4)
    log:histogram("weights", lt.tensor { 0, 1, 2, 3 }, 3, 2)
    log:image("grey", lt.tensor { { 0, 0.5, 1 }, { 1, 0, 0 } }, 3)
    log:image("colour", lt.tensor({ { { 255, 0 } }, { { 1, 2 } }, { { 3, 4 } } }, "u8"), 3)
    log:audio("audio/target_1", lt.tensor { 0, 1, -1, 0.5 }, 3, 44100)
    log:text("notes", "*hi*", 3)
    log:hparams({ lr = 0.125, opt = "adam" }, { "val/loss" })
    log:finish "success"
    log:close()
    local found = peer.run("tensorboard_peer.py", folder)
    fs.remove_tree(folder)
    assert.are.same({ 3, 4 }, { found["train/loss"][1].step, found["train/loss"][2].step })
    assert.are.equal(0.25, found["train/loss"][2].value)
    assert.are.equal("scalars", found["val/acc_osc_1_wave"][1].plugin)
    assert.are.same({ { 0, 1.5, 2 }, { 1.5, 3, 2 } }, found.weights[1].rows)
    assert.are.same({ 3, 2, 3, 2 }, found.grey[1].size)
    assert.are.same({ 0, 128, 255, 255, 0, 0 }, found.grey[1].pixels)
    assert.are.equal("RGB", found.colour[1].mode)
    assert.are.same({ 255, 1, 3, 0, 2, 4 }, found.colour[1].pixels)
    local clip = found["audio/target_1"][1]
    assert.are.same({ 44100, 4, "audio" }, { clip.rate, clip.frames, clip.plugin })
    assert.are.same({ 0, 0, 255, 127, 1, 128, 0, 64 }, clip.bytes)
    assert.are.equal("*hi*", found.notes[1].text)
    assert.are.same({ lr = 0.125, opt = "adam" }, found["_hparams_/session_start_info"][1].hparams)
    assert.are.equal("session_end_info", found["_hparams_/session_end_info"][1].which)
  end)
end)
