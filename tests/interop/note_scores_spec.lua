-- mir_eval and lt.music.note_scores give a thousand random lists of notes the same scores.
package.path = "tests/interop/?.lua;" .. package.path
local fs = require "luatrain.fs"
local peer = require "peer"

describe("mir_eval", function()
  local able, why = peer.has("mir_eval")

  it("scores notes as luatrain does", function()
    if not able then return pending(why) end
    local folder = fs.temporary_directory()
    local path = fs.join(folder, "notes.json")
    peer.run("../golden/make_notes.py", path, "1000")
    local worst, count = require("music.note_scores_cases").compare(lt.json.load(path))
    fs.remove_tree(folder)
    assert.are.equal(1000, count)
    assert.is_true(worst < 1e-9, worst)
  end)
end)
