-- The inverse model: a log-mel picture of a sound in, the parameters of the synthesizer out.
--
--     x           (N, 1, 128, 173)   log1p mel, scaled (inversion_mels.scaled)
--     backbone    (N, 512)           ResNet-18 without its classifier, torchvision's names
--     position    between layer2 and layer3 each row and each column gets a learnt offset: the mean at the
--                 backbone's end would otherwise forget at which frequency and when something was seen
--     continuous  (N, n)             512-512-512-n, between 0 and 1
--     categorical list of (N, k)     scores of the options, one head a parameter
--
-- Frozen layers (conv1 to layer2 by default where weights are pretrained) run without a tape, each result
-- released as soon as the next exists; nothing is computed backward through them.

local failure = require "luatrain.failure"
local mels = require "inversion_mels"
local nn = lt.nn

local InversionModel = nn.class "InversionModel"
InversionModel.fields = { "backbone", "position", "continuous_head", "categorical_heads" }

-- Length of an axis after the three strides of conv1, the pool and layer2.
local function eighth(n)
  for _ = 1, 3 do n = math.floor((n - 1) / 2) + 1 end
  return n
end

local FROZEN = { "conv1", "bn1", "layer1", "layer2" }

local function head(outputs, dropout)
  return nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Dropout(dropout), nn.Linear(512, outputs))
end

--- n: continuous parameters; options: list, the number of options of each categorical one.
-- o: {simple = true, dropout = 0.1, rows = 128, frames = 173, scale = {gain, mean, deviation} of the
-- input, masks = {rows, columns} hidden at most in training (default none)}
function InversionModel:init(n, options, o)
  self.backbone = nn.resnet18 { in_channels = 1 }
  self.backbone.fc = nil
  self.continuous_head = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Dropout(o.dropout),
    nn.Linear(512, 512), nn.ReLU(), nn.Dropout(o.dropout), nn.Linear(512, n), nn.Sigmoid())
  self.categorical_heads = nn.ModuleList()
  for _, k in ipairs(options) do
    self.categorical_heads:append(o.simple and nn.Linear(512, k) or head(k, o.dropout))
  end
  self._sizes = { o.rows or 128, o.frames or 173 }
  self.position = {
    row = nn.Parameter(lt.zeros { 1, 128, eighth(self._sizes[1]), 1 }),
    column = nn.Parameter(lt.zeros { 1, 128, 1, eighth(self._sizes[2]) }),
  }
  self._masks = o.masks or { 0, 0 }
  self._scale = o.scale or { gain = 1, mean = 0, deviation = 1 }
end

--- Weights of a torchvision ResNet-18 (its classifier is not used) from a safetensors file. The first
-- convolution's three channels become their mean.
function InversionModel:load_pretrained(path)
  local state = lt.safetensors.load(path)
  if not state["conv1.weight"] or not state["layer4.1.bn2.weight"] then
    failure.raise("data", "%s: no ResNet-18 with torchvision's names (it has no conv1.weight or no "
      .. "layer4.1.bn2.weight)", path)
  end
  if state["conv1.weight"]:size(2) ~= 1 then nn.adapt_input(state, 1) end
  state["fc.weight"], state["fc.bias"] = nil, nil
  failure.wrap("data", path .. ": ", self.backbone.load_state_dict, self.backbone, state)
end

--- Stops training conv1 to layer2; their batch norms stay in evaluation mode.
function InversionModel:freeze_prefix()
  for _, name in ipairs(FROZEN) do self.backbone:freeze(name) end
  return self
end

-- (N, ...) of 1 with a run of 0 to `most` zeros somewhere along each sample's n entries.
local function stripes(count, n, most, shape)
  local values, at = {}, 0
  for _ = 1, count do
    local width = math.random(0, math.min(most, n - 1))
    local first = math.random(1, n - width)
    for i = 1, n do values[at + i] = (i >= first and i < first + width) and 0 or 1 end
    at = at + n
  end
  return lt.tensor(values):reshape(shape)
end

-- SpecAugment (Park et al. 2019): in training some rows and some columns of each picture are hidden.
local function hide(x, masks)
  local n, rows, columns = x:size(1), x:size(3), x:size(4)
  if masks[1] > 0 then x = x * stripes(n, rows, masks[1], { n, 1, rows, 1 }) end
  if masks[2] > 0 then x = x * stripes(n, columns, masks[2], { n, 1, 1, columns }) end
  return x
end

-- conv1 to layer2 of a picture (N, 1, H, W): (N, 128, H/8, W/8).
local function prefix(backbone, x)
  x = backbone.maxpool(backbone.bn1(backbone.conv1(x), true))
  return backbone.layer2(backbone.layer1(x))
end

--- (N, 512) of a picture (N, 1, H, W).
function InversionModel:features(x)
  local backbone, wanted = self.backbone, self._sizes
  if x:size(3) ~= wanted[1] or x:size(4) ~= wanted[2] then
    failure.raise("data", "the pictures are %d x %d, the model was made for %d x %d", x:size(3), x:size(4),
      wanted[1], wanted[2])
  end
  x = mels.scaled(x, self._scale)
  if self.training then x = hide(x, self._masks) end
  if backbone.layer2.frozen and backbone.conv1.frozen then
    x = lt.no_grad(lt.scope, prefix, backbone, x)
  else
    x = prefix(backbone, x)
  end
  x = x + (self.position.row + self.position.column)
  return backbone.avgpool(backbone.layer4(backbone.layer3(x))):flatten(2)
end

--- Continuous values (N, n) and the list of scores (N, k).
function InversionModel:forward(x)
  local features = self:features(x)
  local scores = {}
  for i, one in ipairs(self.categorical_heads) do scores[i] = one(features) end
  return self.continuous_head(features), scores
end

return InversionModel
