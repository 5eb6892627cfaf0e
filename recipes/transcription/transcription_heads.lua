-- The two ways from sound to notes, by the name of the setting `head`. Each is
--
--     learning_rate            the peak that suits it
--     sets(c)                  the data sets train and valid
--     model(c, facts)          the model
--     step(model, batch, c)    loss and metrics
--     validate(model, loader, c)   scores of whole notes (may be missing)
--     notes(model, path, c, count)
--                              the notes of a sound file of any length, in constant memory; where count (1)
--                              is more, further such lists follow, each less likely

local failure = require "luatrain.failure"
local FramesModel = require "transcription_frames"
local frame_loss = require "transcription_frame_loss"
local manifest = require "transcription_manifest"
local Seq2seq = require "transcription_seq2seq"
local token_data = require "transcription_token_data"
local tokens = require "transcription_tokens"
local transcribe = require "transcription_transcribe"
local windows = require "transcription_windows"

local heads = {}

heads.frames = {
  learning_rate = 2e-3,
  sets = function(c)
    return {
      train = windows.set(manifest.entries(c.manifest_dir, "train"), c.manifest_dir, c, true),
      valid = windows.set(manifest.entries(c.manifest_dir, "val"), c.manifest_dir, c, false),
    }
  end,
  model = function(c) return FramesModel(c.frames) end,
  step = function(model, batch, c) return frame_loss.measure(model(batch.levels), batch.targets, c) end,
  validate = frame_loss.validate,
  notes = transcribe.file,
}

-- ---- tokens ---------------------------------------------------------------------------------------

local function codec_of(c)
  return tokens.codec(c.codec, { seconds = c.window, step = c.time_step, bins = c.velocity_bins })
end

-- Sizes of the Audio Spectrogram Transformer by name; the rest is nn.ast's own, Hugging Face's base.
local SIZES = { small = {}, base = { hidden_size = 768, num_hidden_layers = 12, num_attention_heads = 12,
  intermediate_size = 3072, frequency_stride = 10, time_stride = 10 } }

-- The ear of transcription_ears.lua that the setting `encoder` names, its sizes, and the file of its weights.
local function ear_of(c)
  if c.encoder == "frames" then
    return "frames", c.frames, c.frames_checkpoint ~= "" and c.frames_checkpoint
  end
  if SIZES[c.encoder] then return "ast", SIZES[c.encoder] end
  if not lt.fs.is_file(c.encoder) then
    failure.raise("config",
      "encoder '%s': none of small, base and frames, nor a file; download the weights of an Audio "
      .. "Spectrogram Transformer (model.safetensors) and give their path", c.encoder)
  end
  return "ast", SIZES.base, c.encoder
end

heads.tokens = {
  learning_rate = 5e-4,
  sets = function(c)
    local codec, ear = codec_of(c), ear_of(c)
    return {
      train = token_data.set(c.manifest_dir, "train", codec, ear, c, true),
      valid = token_data.set(c.manifest_dir, "val", codec, ear, c, false),
    }
  end,
  -- facts: of a checkpoint, whose weights replace the pretrained ones
  model = function(c, facts)
    local ear, sizes, pretrained = ear_of(c)
    local model = Seq2seq(codec_of(c), { hidden_size = c.hidden_size,
      num_decoder_layers = c.num_decoder_layers, num_attention_heads = c.num_attention_heads,
      intermediate_size = c.intermediate_size, dropout = c.dropout, max_tokens = c.max_tokens,
      ear = ear, n_mels = c.n_mels, encoder = sizes })
    if pretrained and not (facts and facts.epoch) then model:load_pretrained(pretrained) end
    if c.freeze_encoder then model:freeze_encoder() end
    return model
  end,
  step = function(model, batch)
    local input, target = model:trim(batch.input, batch.target)
    local scores = model(model:pictures(batch.heard), input)
    return model:loss(scores, target), { accuracy = model:accuracy(scores, target) }
  end,
  notes = token_data.notes,
}

return heads
