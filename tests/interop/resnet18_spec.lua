-- Weights that PyTorch wrote give PyTorch's logits; what luatrain writes, Python's safetensors reads.
package.path = "tests/interop/?.lua;" .. package.path
local peer = require "peer"
local fs = require "luatrain.fs"

describe("torchvision's ResNet-18", function()
  local able, why = peer.has("torch", "safetensors")

  it("gives the same logits here, from its own weights", function()
    if not able then return pending(why) end
    local folder = fs.temporary_directory()
    peer.run("resnet18_peer.py", folder)
    local model = lt.nn.resnet18()
    local report = model:load(fs.join(folder, "resnet18.safetensors"))
    assert.are.same({ missing = {}, unexpected = {}, mismatched = {} }, report)
    local pair = lt.safetensors.load(fs.join(folder, "x.safetensors"))
    local y = lt.no_grad(function() return model:eval()(pair.x) end)
    local worst = (y - pair.y):abs():max():item()
    assert.is_true(worst < 1e-4, ("logits differ by %g"):format(worst))
    model:save(fs.join(folder, "back.safetensors"))
    assert.are.same({ equal = true }, peer.run("safetensors_peer.py", fs.join(folder, "resnet18.safetensors"),
      fs.join(folder, "back.safetensors")))
    fs.remove_tree(folder)
  end)
end)
