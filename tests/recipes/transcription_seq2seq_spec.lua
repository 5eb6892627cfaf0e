-- The transcription recipe's encoder-decoder.
package.path = "recipes/transcription/?.lua;" .. package.path
local tokens = require "transcription_tokens"
local bands = require "transcription_bands"
local FramesModel = require "transcription_frames"
local Pointer = require "transcription_pointer"
local Seq2seq = require "transcription_seq2seq"
local fs = lt.fs

local codec = tokens.codec("events", { seconds = 0.5 })

local function small(given)
  local o = { hidden_size = 32, num_decoder_layers = 2, num_attention_heads = 4, intermediate_size = 48,
    max_tokens = 20, encoder = { hidden_size = 24, num_hidden_layers = 1, num_attention_heads = 2,
    intermediate_size = 32, frequency_stride = 32, time_stride = 16 } }
  for name, value in pairs(given or {}) do o[name] = value end
  return Seq2seq(codec, o)
end

local function pictures(count)
  return lt.randn(count, 48, 128)
end

describe("the encoder-decoder", function()
  before_each(function() lt.manual_seed(1) end)

  it("has the documents' size by default", function()
    local net = Seq2seq(tokens.codec("pitches", { seconds = 10 }))
    local decoder = 0
    for _, part in ipairs { "decoder", "embedding", "output" } do
      decoder = decoder + net[part]:num_parameters()
    end
    -- four layers of 256: 8 square matrices, 2 of 256 x 1024, their biases, three norms; a last norm; 130
    -- tokens
    local layer = 8 * 256 * 256 + 2 * 256 * 1024 + 8 * 256 + 1024 + 256 + 6 * 256
    assert.are.equal(4 * layer + 512 + 130 * 256 + 130 * 257, decoder)
    local all = net:count_parameters()
    assert.are.same({ all.total, 0 }, { all.trainable, all.frozen })
    net:freeze_encoder()
    assert.are.same({ total = all.total, trainable = all.total - net.encoder:num_parameters(),
      frozen = net.encoder:num_parameters() }, net:count_parameters())
  end)

  it("hears a window of 10 s with all its frames", function()
    local net = Seq2seq(tokens.codec("pitches", { seconds = 10 }),
      { encoder = { hidden_size = 16, num_hidden_layers = 1, num_attention_heads = 1,
        intermediate_size = 16 } })
    lt.no_grad(lt.scope, function()
      local x = net:pictures(lt.randn(2, 160000) * 0.1)
      assert.are.same({ 2, 998, 128 }, x:size())
      assert.are.same({ 2, 8 * 82 + 2, 256 }, net:encode(x).memory:size())
      -- what is shorter ends in silence
      local short = net:pictures(lt.randn(1, 30000) * 0.1)
      assert.are.same({ 1, 998, 128 }, short:size())
      local last = short:narrow(2, 600, 300)
      assert.is_true((last - last:mean()):abs():max():item() < 1e-3)
    end)
  end)

  it("learns to write down four pictures, and decodes what it has learnt", function()
    local net = small { dropout = 0 }
    local lists = { { codec.tie, 10, 60, 90 }, { 100, codec.tie, 20, 61, 91, 95 }, { codec.tie },
      { codec.tie, 15, 70, 99, 98, 97, 30, 200 } }
    local x, inputs, targets = pictures(4), {}, {}
    for i, list in ipairs(lists) do inputs[i], targets[i] = codec:pair(list, 10) end
    local input, target = lt.tensor(inputs, "i64"), lt.tensor(targets, "i64")
    local optimizer = lt.optim.AdamW(net:parameters(), { lr = 3e-3, weight_decay = 0 })
    local first, last
    for _ = 1, 90 do
      lt.scope(function()
        local loss = net:loss(net(x, input), target)
        optimizer:zero_grad()
        loss:backward()
        optimizer:step()
        last = loss:item()
        first = first or last
      end)
    end
    assert.is_true(last < 0.05 and first > 4, first .. " " .. last)
    assert.are.equal(1, lt.no_grad(lt.scope, function() return net:accuracy(net(x, input), target) end))
    for _, o in ipairs { { strategy = "greedy" }, { strategy = "beam", beam_size = 3 },
      { strategy = "greedy", precision = "f32" },
      { strategy = "sample", temperature = 0.1, generator = lt.random.generator(1) } } do
      local found = net:generate(x, o)
      for i, list in ipairs(lists) do
        assert.are.same(list, found[i][1].tokens)
        assert.is_true(found[i][1].ended)
      end
    end
    assert.is_true(net.training)
    assert.are.equal(2, #net:generate(x, { strategy = "beam", num_return_sequences = 2 })[3])
  end)

  it("leaves out padding that all rows have", function()
    local net = small()
    local pad, input = net._codec.pad, lt.ones { 2, 40 }:to "i64"
    local target = lt.zeros { 2, 40 }:to "i64" + pad
    target:narrow(2, 1, 17):narrow(1, 2, 1):fill_(pad + 5)
    local a, b = net:trim(input, target)
    assert.same({ 2, 32 }, a:size())
    assert.same(target:narrow(2, 1, 32):tolist(), b:tolist())
  end)

  it("counts nothing that is padding", function()
    local net = small()
    net:eval()
    lt.no_grad(lt.scope, function()
      local input, target = codec:pair({ codec.tie, 10, 60 }, 6)
      local long, long_target = codec:pair({ codec.tie, 10, 60 }, 12)
      local x = pictures(1)
      local a, b = lt.tensor({ target }, "i64"), lt.tensor({ long_target }, "i64")
      local short = net(x, lt.tensor({ input }, "i64"))
      local other = net(x, lt.tensor({ long }, "i64"))
      assert.is_true(math.abs(net:loss(short, a):item() - net:loss(other, b):item()) < 1e-5)
      assert.are.equal(net:accuracy(short, a), net:accuracy(other, b))
    end)
  end)

  it("leaves a frozen encoder as it is", function()
    local net = small():freeze_encoder()
    local before = net.encoder.layernorm.weight:clone()
    local optimizer = lt.optim.AdamW(net:parameters(), { lr = 1e-2 })
    lt.scope(function()
      local input, target = codec:pair({ codec.tie, 10 }, 4)
      net:loss(net(pictures(1), lt.tensor({ input }, "i64")), lt.tensor({ target }, "i64")):backward()
      optimizer:step()
    end)
    assert.are.same(before:tolist(), net.encoder.layernorm.weight:tolist())
    assert.is_nil(net.encoder.layernorm.weight.grad)
    assert.is_truthy(net.project.weight.grad)
  end)

  it("takes an encoder that was trained elsewhere, and goes through a file", function()
    local folder = fs.temporary_directory()
    local net, other = small(), small()
    lt.safetensors.save(fs.join(folder, "ast.safetensors"), (net.encoder:state_dict()))
    other:load_pretrained(fs.join(folder, "ast.safetensors"), { grid = { 4, 3 } })
    net:save(fs.join(folder, "net.safetensors"))
    local again = small()
    again:load(fs.join(folder, "net.safetensors"))
    lt.no_grad(lt.scope, function()
      local x, list = pictures(2), lt.tensor({ { 1, 5, 9 }, { 1, 7, 8 } }, "i64")
      net:eval() other:eval() again:eval()
      assert.are.same(net.encoder(x):tolist(), other.encoder(x):tolist())
      assert.are.same(net(x, list):tolist(), again(x, list):tolist())
    end)
    fs.remove_tree(folder)
  end)

  it("hears with the frame-wise model, which may have been trained before", function()
    local sizes = { front = { 2, 3 }, channels = 4, narrow = 2, hidden = 2, dropout = 0 }
    local given = { ear = "frames", encoder = sizes }
    local folder, frames = fs.temporary_directory(), FramesModel(sizes)
    local path = fs.join(folder, "frames.safetensors")
    frames:save(path)
    local net = small(given):load_pretrained(path):freeze_encoder():eval()
    frames:eval()
    lt.no_grad(lt.scope, function()
      local levels = lt.randint(0, 256, { 2, 25, bands.width }):to "u8"
      local x = net:pictures(levels)
      local known = net:encode(x)
      local memory, heard = known.memory, known.heard
      assert.are.same({ { 2, 25, 32 }, { 102, 352 } }, { memory:size(), heard:size() })
      -- a row is the keys' probabilities and its time; a moment is heard as the row that is nearest
      local want = frames(levels):sigmoid()
      local onset, velocity = want:narrow(4, 1, 1), want:narrow(4, 4, 1)
      want = lt.cat({ onset, onset * velocity, want:narrow(4, 2, 2) }, 4):flatten(3)
      heard = heard:reshape(2, 51, 352)
      local place = net.place(lt.nn.sinusoid_table(51, 32, 0, 1, 1000))
      local function near(a, b) return (a - b):abs():max():item() < 1e-5 end
      for row = 1, 25 do
        local time = place:select(1, 2 * row - 1)
        assert.is_true(near(memory:select(2, row), net.project(want):select(2, row) + time), row)
        assert.is_true(near(heard:select(2, 2 * row - 1), want:select(2, row)), row)
      end
      assert.is_true(near(heard:select(2, 6), (want:select(2, 3) + want:select(2, 4)) / 2))
      assert.equal(2, #net:generate(x, { strategy = "greedy", max_length = 5 }))
    end)
    fs.remove_tree(folder)
  end)

  -- A step after the other gives what all at once did, also when the rows change places.
  local function decodes_as_taught(net, x)
    local on, off = codec.first_on, codec.first_off
    local list = { codec.bos, on + 3, codec.tie, 4 + 12, on + 10, off + 10, 4 + 5, on + 11, 4 + 13, on + 12,
      4 + 30, 90 }
    local input = lt.tensor({ list, list }, "i64")
    local wanted, state = net(x, input), net:state(x, { precision = "f32" })
    for k, token in ipairs(list) do
      if k == 4 then net:reorder(state, { 2, 1 }) end
      local scores = net:step(lt.tensor({ token, token }, "i64"), state)
      local other = k < 4 and { 1, 2 } or { 2, 1 }
      for row = 1, 2 do
        local difference = (scores:select(1, row) - wanted:select(1, other[row]):select(1, k)):abs():max()
        assert.is_true(difference:item() < 1e-4, k)
      end
    end
    return state
  end

  it("decodes with the times that it was taught with", function()
    lt.no_grad(lt.scope, function()
      local state = decodes_as_taught(small():eval(), pictures(2))
      -- a time that lies before the last one changes nothing
      for row = 1, 2 do assert.equal(30, state.rows[row].follower.moment) end
    end)
  end)

  it("no longer hears what has been said", function()
    local net = small { ear = "frames",
      encoder = { front = { 2, 3 }, channels = 4, narrow = 2, hidden = 2, dropout = 0 } }
    net:eval()
    lt.no_grad(lt.scope, function()
      local x = net:pictures(lt.randint(0, 256, { 2, 25, bands.width }):to "u8")
      decodes_as_taught(net, x)
    end)
    local follower = codec:follow()
    for _, token in ipairs { codec.tie, 4 + 12, codec.first_on + 10, codec.first_off + 9, 4 + 14 } do
      follower:take(token)
    end
    local function said(by)
      local list = {}
      for one in by:said() do list[#list + 1] = ("%s %d at %d"):format(one.kind, one.key, one.moment) end
      return list
    end
    assert.same({ "off 9 at 12", "on 10 at 12" }, said(follower))
    local other = follower:copy()
    other:take(4 + 15)
    assert.same({ 14, 15 }, { follower.moment, other.moment })
    assert.same({ {}, 2 }, { said(other), #said(follower) })
    other:take(codec.first_on + 3)
    assert.same({ { "on 3 at 15" }, 2 }, { said(other), #said(follower) })
    assert.same({ 40, 41 }, { net._ear.said("on", 10) })
    assert.same({ 39, 39 }, { net._ear.said("off", 9) })
  end)

  it("points to what is heard next", function()
    local events = tokens.codec("events", { seconds = 1, step = 0.1, bins = 4 })
    local pointer = Pointer(events, { width = 3, spread = 1 }, 11)
    lt.no_grad(lt.scope, function()
      local heard, said = lt.randn(2, 11, 3), lt.randn(2, 4, events.vocabulary + Pointer.width)
      local moments = { 0, 3, 3, 9, 0, 0, 10, 2 }
      local scores = pointer(said, pointer:look(heard), lt.tensor(moments, "i64"))
      assert.same({ 2, 4, events.vocabulary }, scores:size())
      local want, ahead = said:narrow(3, 1, events.vocabulary):clone(), pointer.ahead:flatten():tolist()
      local keys, sought = pointer.moment(heard) * (1 / 8), said:narrow(3, events.vocabulary + 1, 64)
      for i, moment in ipairs(moments) do
        local b, t = math.floor((i - 1) / 4) + 1, (i - 1) % 4 + 1
        local row = want:select(1, b):select(1, t):data()
        for time = 0, 9 do
          local fit = (sought:select(1, b):select(1, t) * keys:select(1, b):select(1, time + 1)):sum():item()
          row[4 + time] = row[4 + time] + fit + ahead[time < moment and 1 or time - moment + 2]
        end
      end
      assert.is_true((scores - want):abs():max():item() < 1e-5)
    end)
  end)

  it("says what it cannot do", function()
    local net = small()
    assert.error_matches(function() net(pictures(1), lt.zeros({ 1, 21 }, "i64")) end,
      "a sequence of 21 tokens, but the model was made for 20")
    assert.error_matches(function() net:generate(pictures(1), { strategy = "best" }) end,
      "no strategy 'best'")
  end)
end)
