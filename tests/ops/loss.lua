-- Constants stored beside the cases.
local fixtures = lt.keep(lt.safetensors.load "tests/golden/ops_loss.safetensors")
local function fixed(key) return fixtures[key] end

local cases = {}
local function add(case) cases[#cases + 1] = case end

for _, reduction in ipairs { "mean", "sum", "none" } do
  local function with(options)
    options.reduction = reduction
    return options
  end
  add { name = "ce_" .. reduction, fn = function(x, y)
    return lt.cross_entropy(x, y, with {})
  end, inputs = { { 6, 5 }, { shape = { 6 }, dtype = "i64", low = 0, high = 5 } } }
  add { name = "ce_smooth_" .. reduction, fn = function(x, y)
    return lt.cross_entropy(x, y, with { label_smoothing = 0.1 })
  end, inputs = { { 6, 5 }, { shape = { 6 }, dtype = "i64", low = 0, high = 5 } } }
  for _, shape in ipairs { "all", "spatial" } do
    add { name = "ce_" .. shape .. "_" .. reduction, fn = function(x, y)
      return lt.cross_entropy(x, y, with { weight = fixed "w", label_smoothing = 0.2 })
    end }
  end
  add { name = "ce_soft_" .. reduction, fn = function(x)
    local q = fixed("ce_soft_" .. reduction .. ".q")
    return lt.cross_entropy(x, q, with { weight = fixed "w", label_smoothing = 0.1 })
  end, inputs = { { 6, 5 } } }
  add { name = "nll_" .. reduction, fn = function(x, y)
    return lt.nll_loss(x, y, with { weight = fixed "w" })
  end, inputs = { { 6, 5 }, { shape = { 6 }, dtype = "i64", low = 0, high = 5 } } }

  add { name = "mse_" .. reduction, fn = function(a, b)
    return lt.mse_loss(a, b, with {})
  end, inputs = { { 4, 7 }, { 4, 7 } } }
  add { name = "l1_" .. reduction, fn = function(a, b)
    return lt.l1_loss(a, b, with {})
  end, inputs = { { shape = { 4, 7 }, low = 0.2 }, { shape = { 4, 7 }, high = -0.2 } } }
  add { name = "smooth_l1_" .. reduction, fn = function(a, b)
    return lt.smooth_l1_loss(a, b, with { beta = 0.7 })
  end }
  add { name = "huber_" .. reduction, fn = function(a, b)
    return lt.huber_loss(a, b, with { delta = 0.7 })
  end }
  add { name = "bce_" .. reduction, fn = function(p)
    return lt.binary_cross_entropy(p, fixed "t", with { weight = fixed "we" })
  end, inputs = { { shape = { 4, 7 }, low = 0.3, high = 0.7 } }, eps = 2e-3 }
  add { name = "bcel_" .. reduction, fn = function(a)
    return lt.binary_cross_entropy_with_logits(a, fixed "t",
      with { weight = fixed "we", pos_weight = fixed "pw" })
  end, inputs = { { 4, 7 } } }
  add { name = "kl_" .. reduction, fn = function(a)
    return lt.kl_div(a, fixed "t", with {})
  end, inputs = { { 4, 7 } } }
  add { name = "kl_log_" .. reduction, fn = function(a)
    return lt.kl_div(a, fixed "b", with { log_target = true })
  end }
end

add { name = "ce_ignore", fn = function(x, y)
  return lt.cross_entropy(x, y, { ignore_index = 2 })
end }
add { name = "ce_single", fn = function(x)
  return lt.cross_entropy(x, lt.tensor(3, "i64"):reshape({}))
end }
add { name = "ce_soft_spatial", fn = function(x)
  return lt.cross_entropy(x, fixed "ce_soft_spatial.q")
end }
add { name = "bcel_plain", fn = function(a)
  return lt.loss.BCEWithLogitsLoss {}(a, fixed "t")
end }
add { name = "kl_batchmean", fn = function(a)
  return lt.loss.KLDivLoss { reduction = "batchmean" }(a, fixed "t")
end }
add { name = "smooth_l1_zero", fn = function(a)
  return lt.smooth_l1_loss(a, fixed "b", { beta = 0 })
end }

add { name = "published cross entropies", golden = false, check = function()
  local z = lt.tensor { { 2, 1, 0.1 }, { 0.5, 2.5, -1 }, { 0, 0, 3 } }
  local y, w = lt.tensor({ 0, 2, -100 }, "i64"), lt.tensor { 1, 2, 0.5 }
  local function close(want, options)
    local got = lt.loss.CrossEntropyLoss(options)(z, y):item()
    assert(math.abs(got - want) < 1e-6 * want, ("%.9g, wanted %.9g"):format(got, want))
  end
  close(2.035104111700061, {})
  close(2.0001041117000606, { label_smoothing = 0.1 })
  close(1.4957460798926518, { weight = w })
  close(1.5394098892789516, { weight = w, label_smoothing = 0.1 })
end }
add { name = "bf16 logits and small integer targets", golden = false, check = function()
  local x = lt.tensor({ { 1, 2, 3 } }):set_requires_grad()
  local e = lt.cross_entropy(x:cast "bf16", lt.tensor({ 1 }, "u8"))
  e:backward()
  assert(math.abs(e:item() - 1.4076) < 1e-3 and math.abs(x.grad:flat()[2] + 0.7553) < 4e-3)
end }
add { name = "all targets ignored: NaN, and no gradient to use", golden = false, check = function()
  local e = lt.cross_entropy(lt.zeros(2, 3), lt.full({ 2 }, -100, { dtype = "i64" })):item()
  assert(e ~= e)
end }
add { name = "errors", golden = false, check = function()
  local x, y = lt.zeros(2, 3), lt.tensor({ 0, 3 }, "i64")
  for pattern, f in pairs {
    ["target 3 %(element 2%)"] = function() return lt.cross_entropy(x, y) end,
    ["target %-1 "] = function() return lt.nll_loss(x, lt.tensor({ 0, -1 }, "i64")) end,
    ["did you mean 'label_smoothing'"] = function()
      return lt.cross_entropy(x, y, { label_smooting = 0.1 })
    end,
    ["reduction is 'avg'"] = function() return lt.mse_loss(x, x, { reduction = "avg" }) end,
    ["mse_loss: target is"] = function() return lt.mse_loss(x, lt.zeros(2, 1)) end,
    ["does not fit"] = function() return lt.cross_entropy(x, lt.zeros({ 3 }, { dtype = "i64" })) end,
    ["weight is %(2%)"] = function()
      return lt.cross_entropy(x, lt.zeros({ 2 }, { dtype = "i64" }), { weight = lt.zeros(2) })
    end,
    ["delta is 0"] = function() return lt.huber_loss(x, x, { delta = 0 }) end,
    ["detach"] = function()
      return lt.kl_div(x, lt.zeros(2, 3):set_requires_grad())
    end,
  } do
    local ok, e = pcall(f)
    assert(not ok and e:find(pattern), tostring(e) .. "\nwanted " .. pattern)
  end
end }

return { golden = "ops_loss", cases = cases }
