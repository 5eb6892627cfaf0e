-- Judged by Hugging Face's ASTModel and feature extractor (golden/make_ast.py).
local ast = require "luatrain.nn.ast"
local fbank = require "luatrain.audio.fbank"
local fs = require "luatrain.fs"

local golden, folder

setup(function()
  golden = lt.safetensors.load "tests/golden/ast.safetensors"
  folder = fs.temporary_directory()
end)
teardown(function() fs.remove_tree(folder) end)

local function close(got, want, tolerance)
  assert.are.same(want:size(), got:size())
  local worst = (got - want):abs():max():item()
  assert.is_true(worst < tolerance, worst)
end

local function small(change)
  local o = { hidden_size = 24, num_hidden_layers = 2, num_attention_heads = 3, intermediate_size = 40,
    max_length = 62, num_mel_bins = 46, frequency_stride = 10, time_stride = 12 }
  for name, value in pairs(change or {}) do o[name] = value end
  return ast.ast(o):eval()
end

-- A file with the golden weights; `prefix` goes before their names.
local function weights(prefix)
  local state, path = {}, fs.join(folder, "weights" .. #prefix .. ".safetensors")
  for name, value in pairs(golden) do
    local own = name:match "^weights%.(.*)"
    if own then state[prefix .. own] = value end
  end
  state["classifier.dense.weight"] = lt.zeros { 3, 24 }
  lt.safetensors.save(path, state)
  return path
end

describe("the Audio Spectrogram Transformer", function()
  it("gives Hugging Face's results with its weights", function()
    for _, prefix in ipairs { "", "audio_spectrogram_transformer." } do
      local net = small():load_pretrained(weights(prefix))
      local hidden, pooled = lt.no_grad(net.forward, net, golden.input)
      close(hidden, golden.hidden, 2e-5)
      close(pooled, golden.pooled, 2e-5)
      local map = net:map(hidden)
      assert.are.same({ 2, 24, 4, 4 }, map:size())
      assert.are.equal(hidden:get(2, 2 + 4 + 3, 5), map:get(2, 5, 2, 3))
    end
  end)

  it("is as large as published", function()
    local count = 0
    for _, p in ipairs(ast.ast({ num_hidden_layers = 1 }):parameters()) do count = count + p:numel() end
    -- 86,594,063 parameters with twelve layers and the classifier, which has 406,799
    assert.are.equal(86594063 - 406799 - 11 * 7087872, count)
  end)

  it("takes position embeddings of another length", function()
    local path = weights ""
    for name, size in pairs { ["4_7"] = { 98, 46 }, ["4_3"] = { 50, 46 }, ["2_9"] = { 120, 30 },
      ["6_2"] = { 30, 66 } } do
      local net = small({ max_length = size[1], num_mel_bins = size[2] })
      net:load_pretrained(path, { grid = { 4, 4 } })
      close(net.embeddings.position_embeddings, golden["positions_" .. name], 1e-5)
    end
  end)

  it("learns", function()
    lt.random.manual_seed(1)
    local net, x = small(), lt.randn { 4, 62, 46 }
    net:train()
    local optimizer = lt.optim.AdamW(net:parameters(), { lr = 1e-3 })
    local wanted, first, last = lt.randn { 4, 24 }, nil, nil
    for _ = 1, 30 do
      local _, pooled = net(x)
      local loss = lt.loss.mse_loss(pooled, wanted)
      optimizer:zero_grad()
      loss:backward()
      optimizer:step()
      last = loss:item()
      first = first or last
    end
    assert.is_true(last < 0.7 * first, last / first)
  end)

  it("says what does not fit", function()
    assert.error_matches(function() small()(lt.zeros { 1, 60, 46 }) end,
      "wanted %(batch, 62 frames, 46 bins%)")
    assert.error_matches(function() small { hidden_size = 25 } end, "25 cannot be divided among 3 heads")
    assert.error_matches(function() small { max_length = 10 } end, "no room for a patch of 16")
    assert.error_matches(function() small { max_length = 98 }:load_pretrained(weights "") end,
      "18 position embeddings, not 2 %+ 12 x 101")
    assert.error_matches(function() small { hidden_size = 48 }:load_pretrained(weights "") end, "weights0")
    local path = fs.join(folder, "other.safetensors")
    lt.safetensors.save(path, { x = lt.zeros { 1 } })
    assert.error_matches(function() small():load_pretrained(path) end, "no Audio Spectrogram Transformer")
  end)
end)

describe("Kaldi's filter banks", function()
  it("are torchaudio's", function()
    local signals = golden.signals
    close(fbank.fbank(signals:narrow(1, 1, 1)):squeeze(1), golden.fbank_default, 1e-3)
    close(fbank.fbank(signals:select(1, 2), { sample_rate = 8000, n_mels = 40, frame_length = 32,
      frame_shift = 8, fmin = 50, fmax = -100, preemphasis = 0.9, remove_dc_offset = false,
      window = "hamming" }), golden.fbank_options, 1e-3)
  end)

  it("hold where a bin is all but empty: noise, against f64", function()
    -- transforms in f32 are 2e-3 off here
    close(fbank.fbank(golden.noise, { n_mels = 128, window = "hann" }), golden.noise_fbank, 2e-4)
  end)

  it("become the transformer's input as its extractor makes it", function()
    local got = fbank.ast_features(golden.signals)
    assert.are.same({ 2, 1024, 128 }, got:size())
    close(got:narrow(2, 1, 80), golden.features_1024, 1e-4)
    close(fbank.ast_features(golden.signals, { max_length = 40 }), golden.features_40, 1e-4)
  end)

  it("refuse what is too short, and unknown options", function()
    assert.error_matches(function() fbank.fbank(lt.zeros { 399 }) end, "399 samples, a frame 400")
    assert.error_matches(function() fbank.fbank(lt.zeros { 500 }, { n_mel = 3 }) end, "did you mean 'n_mels'")
  end)
end)
