--- channels_last(x): x (N, C, ...) itself where it lies channels-last, otherwise a copy that does.
-- For use inside ops: it is not recorded.
local core = require "luatrain.core"
local Tensor = require "luatrain.tensor"
local C, check = core.C, core.check

return function(x)
  if C.lt_tensor_is_channels_last(x.c) then return x end
  local y = Tensor.empty(x:size(), x:dtype(), "channels_last")
  check(C.lt_copy(y.c, x.c))
  return y
end
