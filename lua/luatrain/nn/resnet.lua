-- resnet: residual networks for images and spectrograms (K. He et al. 2015; names of torchvision).

local lt = require "luatrain"
local init = require "luatrain.nn.initialize"
local options = require "luatrain.options"
local conv = require "luatrain.nn.conv"
local norm = require "luatrain.nn.norm"
local pool = require "luatrain.nn.pool"
local container = require "luatrain.nn.container"
local linear = require "luatrain.nn.linear"
local Module = require "luatrain.nn.module"

local Conv2d, BatchNorm2d = conv.Conv2d, norm.BatchNorm2d

local resnet = {}

--- relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)): (N, in_planes, H, W) ->
-- (N, planes, H/stride, W/stride). The shortcut is a strided 1x1 convolution where shapes differ.
local BasicBlock = Module.class "BasicBlock"
resnet.BasicBlock = BasicBlock
BasicBlock.fields = { "conv1", "bn1", "conv2", "bn2", "downsample" }

function BasicBlock:init(in_planes, planes, stride)
  stride = stride or 1
  self.conv1 = Conv2d(in_planes, planes, 3, { stride = stride, padding = 1, bias = false })
  self.bn1 = BatchNorm2d(planes)
  self.conv2 = Conv2d(planes, planes, 3, { padding = 1, bias = false })
  self.bn2 = BatchNorm2d(planes)
  if stride ~= 1 or in_planes ~= planes then
    self.downsample = container.Sequential(
      Conv2d(in_planes, planes, 1, { stride = stride, bias = false }),
      BatchNorm2d(planes))
  end
end

function BasicBlock:forward(x)
  local out = self.bn1(self.conv1(x), true)
  local shortcut = self.downsample and self.downsample(x) or x
  return self.bn2(self.conv2(out), true, shortcut)
end

--- A ResNet of basic blocks: (N, in_channels, H, W) -> (N, num_classes).
-- @param layers number of blocks in each of the four stages: {2, 2, 2, 2} is ResNet-18
-- @param given {in_channels = 3, num_classes = 1000, zero_init_residual = false}
local ResNet = Module.class "ResNet"
resnet.ResNet = ResNet
ResNet.fields = { "conv1", "bn1", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc" }

local function stage(in_planes, planes, blocks, stride)
  local layer = container.Sequential(BasicBlock(in_planes, planes, stride))
  for _ = 2, blocks do layer:append(BasicBlock(planes, planes)) end
  return layer
end

function ResNet:init(layers, given)
  local o = options.read("ResNet", given,
    { in_channels = 3, num_classes = 1000, zero_init_residual = false })
  self.conv1 = Conv2d(o.in_channels, 64, 7, { stride = 2, padding = 3, bias = false })
  self.bn1 = BatchNorm2d(64)
  self.maxpool = pool.MaxPool2d(3, { stride = 2, padding = 1 })
  self.layer1 = stage(64, 64, layers[1], 1)
  self.layer2 = stage(64, 128, layers[2], 2)
  self.layer3 = stage(128, 256, layers[3], 2)
  self.layer4 = stage(256, 512, layers[4], 2)
  self.avgpool = pool.AdaptiveAvgPool2d(1)
  self.fc = linear.Linear(512, o.num_classes)
  self:apply(function(m)
    if m.class_name == "Conv2d" then
      init.kaiming_normal_(m.weight, { mode = "fan_out", nonlinearity = "relu" })
    elseif m.class_name == "BasicBlock" and o.zero_init_residual then
      init.zeros_(m.bn2.weight)
    end
  end)
end

--- What stands before the classifier: (N, 512), the mean of the last stage over its positions.
function ResNet:features(x)
  x = self.maxpool(self.bn1(self.conv1(x), true))
  x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
  return self.avgpool(x):flatten(2)
end

function ResNet:forward(x)
  return self.fc(self:features(x))
end

--- ResNet-18, 11.7 million parameters with the defaults, loading torchvision's weights by name.
-- @param given {in_channels = 3, num_classes = 1000, zero_init_residual = false}
--
--     local net = nn.resnet18 { in_channels = 1, num_classes = 10 }
--     local logits = net(lt.randn { 4, 1, 128, 173 })      -- (4, 10)
function resnet.resnet18(given)
  return ResNet({ 2, 2, 2, 2 }, given)
end

--- ResNet-34, as resnet18 with {3, 4, 6, 3} blocks.
function resnet.resnet34(given)
  return ResNet({ 3, 4, 6, 3 }, given)
end

--- Rewrites a first convolution's weight for another number of input channels: RGB weights
-- (O, 3, k, k) are averaged and repeated, so that pretrained weights serve spectrograms.
-- @param state a state dict, changed in place
-- @param name of the weight, default "conv1.weight"
function resnet.adapt_input(state, in_channels, name)
  name = name or "conv1.weight"
  local w = state[name]
  state[name] = lt.no_grad(function()
    return w:mean(2, true):expand(w:size(1), in_channels, w:size(3), w:size(4)):contiguous()
  end)
  return state
end

return resnet
