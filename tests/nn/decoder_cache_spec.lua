-- A decoder that writes step by step gives what it gives for the whole sequence.
local nn = lt.nn

local function decoder(given)
  local o = given or {}
  local E = o.width or 48
  local layer = nn.TransformerDecoderLayer(E, o.heads or 3, { dim_feedforward = o.hidden or 80,
    batch_first = o.batch_first ~= false, norm_first = o.norm_first, activation = o.activation or "gelu",
    bias = o.bias ~= false })
  local net = nn.TransformerDecoder(layer, o.layers or 2, o.norm_first and nn.LayerNorm(E) or nil)
  -- equal layers and biases of 0 would hide a mistake
  lt.no_grad(function()
    for _, p in pairs(net:parameters()) do
      local matrix = p:dim() == 2
      p:copy_(lt.randn(p:size()) * (matrix and 1.5 / math.sqrt(p:size(2)) or 0.3) + (matrix and 0 or 0.5))
    end
  end)
  return net:eval()
end

local function differ(a, b) return (a - b):abs():max():item() / b:abs():max():item() end

-- All positions, one after the other: (B, T, ..).
local function by_steps(cache, x)
  local list = {}
  for t = 1, x:size(2) do list[t] = cache:step(x:select(2, t)):unsqueeze(2) end
  return lt.cat(list, 2)
end

describe("nn.decoder_cache", function()
  before_each(function() lt.manual_seed(3) end)

  it("gives what the whole sequence gives", function()
    local cases = { {}, { norm_first = true }, { activation = "relu", heads = 4 },
      { activation = "silu", bias = false },
      { width = 50, heads = 5, hidden = 33, norm_first = true }, { width = 32, heads = 1, layers = 3 },
      { width = 128, heads = 2, hidden = 256, norm_first = true },
      { width = 32, heads = 2, hidden = 4160, memory = 1500, zeros = true } }  -- sums in several parts
    for i, case in ipairs(cases) do
      lt.no_grad(lt.scope, function()
        local net = decoder(case)
        local E = case.width or 48
        if case.zeros then net.layers[1].linear2.weight:narrow(1, 1, 3):fill_(0) end
        local memory, x = lt.randn(3, case.memory or 21, E), lt.randn(3, 37, E)
        local want = net(x, memory, { tgt_is_causal = true })
        for precision, tolerance in pairs { f32 = 1e-5, i16 = 5e-4 } do
          local cache = nn.decoder_cache(net, memory, { precision = precision, max_length = 37 })
          local e = differ(by_steps(cache, x), want)
          assert(e < tolerance, ("case %d, %s: %g"):format(i, precision, e))
        end
      end)
    end
  end)

  it("has an output layer, padding, and the other order of dimensions", function()
    lt.no_grad(lt.scope, function()
      local net, head = decoder { batch_first = false }, nn.Linear(48, 19)
      local memory, x = lt.randn(9, 2, 48), lt.randn(12, 2, 48)
      local mask = lt.zeros({ 2, 9 }, "bool")
      mask:narrow(1, 2, 1):narrow(2, 6, 4):fill_(1)
      local want = head(net(x, memory, { tgt_is_causal = true, memory_key_padding_mask = mask }))
      local cache = nn.decoder_cache(net, memory,
        { output = head, key_padding_mask = mask, precision = "f32" })
      assert(differ(by_steps(cache, x:transpose(1, 2)):transpose(1, 2), want) < 1e-5)
    end)
  end)

  it("looks up tokens", function()
    lt.no_grad(lt.scope, function()
      local net, embedding = decoder(), nn.Embedding(7, 48)
      local memory, positions = lt.randn(2, 9, 48), lt.randn(20, 48)
      local tokens = lt.randint(0, 7, { 2, 6 })
      for _, p in ipairs { positions, false } do
        local x = embedding(tokens)
        if p then x = x + p:narrow(1, 1, 6) end
        local want = net(x, memory, { tgt_is_causal = true })
        local cache = nn.decoder_cache(net, memory, { embedding = embedding, positions = p or nil,
          precision = "f32", max_length = 6 })
        assert(differ(by_steps(cache, tokens), want) < 1e-5)
      end
      local cache = nn.decoder_cache(net, memory,
        { embedding = embedding, positions = positions:narrow(1, 1, 1) })
      assert.error_matches(function() cache:step(lt.tensor({ 1, 7 }, "i64")) end,
        "token 7 of row 1; there are 7 words")
      assert.error_matches(function() cache:step(lt.randn(2, 48)) end, "x is %(2, 48%)")
      cache:step(lt.tensor({ 1, 6 }, "i64"))
      assert.error_matches(function() cache:step(lt.tensor({ 1, 6 }, "i64")) end,
        "places is %(1, 48%) at position 1")
    end)
  end)

  it("computes the same with one thread and with several", function()
    lt.no_grad(lt.scope, function()
      local threads = lt.threads()
      for _, o in ipairs { { width = 128, heads = 4, hidden = 512, layers = 3, norm_first = true, rows = 2 },
        { width = 48, heads = 3, hidden = 720, layers = 4, rows = 1 } } do
        local net = decoder(o)
        local memory, x = lt.randn(o.rows, 70, o.width), lt.randn(o.rows, 20, o.width)
        local function steps(n)
          lt.threads(1)  -- what is made of the memory may depend on it, by the library that multiplies
          local cache = nn.decoder_cache(net, memory, { precision = "f32" })
          lt.threads(n)
          return by_steps(cache, x)
        end
        local function run(n)
          for _ = 1, n do steps(n) end  -- after other trials of its pace each
          return steps(n)
        end
        local one, two, three = run(1), run(2), run(3)
        lt.threads(threads)
        assert.are.equal(0, differ(one, two))
        assert.are.equal(0, differ(one, three))
      end
    end)
  end)

  -- Rows that fork, end and change places, against each row's own history at once.
  it("follows every row through any order", function()
    local random = lt.random.generator(5)
    local function pick(n) return math.floor(lt.rand(1, { generator = random }):item() * n) + 1 end
    for _, precision in ipairs { "f32", "i16" } do
      lt.no_grad(lt.scope, function()
        local net = decoder { norm_first = true }
        local memory = lt.randn(2, 18, 48)
        local cache = nn.decoder_cache(net, memory, { precision = precision, max_length = 40 })
        local rows = { { source = 1, history = {} }, { source = 2, history = {} } }
        local sizes = { 2, 5, 7, 7, 3, 4, 6, 1, 2 }
        for t = 1, 40 do
          local x = lt.randn(#rows, 48)
          local y = cache:step(x)
          for k, row in ipairs(rows) do row.history[t] = x:narrow(1, k, 1) end
          if t % 3 == 0 or t > 36 then
            for k, row in ipairs(rows) do
              local whole = net(lt.cat(row.history, 1):unsqueeze(1), memory:narrow(1, row.source, 1),
                { tgt_is_causal = true })
              local e = differ(y:narrow(1, k, 1), whole:select(2, t))
              assert(e < (precision == "f32" and 1e-5 or 5e-4), ("step %d, row %d: %g"):format(t, k, e))
            end
          end
          local order, new = {}, {}
          for k = 1, sizes[t % #sizes + 1] do
            order[k] = pick(#rows)
            new[k] = { source = rows[order[k]].source, history = { unpack(rows[order[k]].history) } }
          end
          if t % 4 > 0 then
            cache:reorder(order)
            rows = new
          end
        end
      end)
    end
  end)

  it("knows when weights have changed", function()
    lt.no_grad(lt.scope, function()
      local net, head = decoder(), nn.Linear(48, 5)
      local memory, x = lt.randn(1, 9, 48), lt.randn(1, 1, 48)
      local function check(output)
        local want = net(x, memory, { tgt_is_causal = true })
        if output then want = output(want) end
        for _, precision in ipairs { "f32", "i16", "i16" } do
          local cache = nn.decoder_cache(net, memory, { output = output, precision = precision })
          assert(differ(by_steps(cache, x), want) < 3e-4)
        end
      end
      check()
      check(head)
      head.bias:fill_(3)
      check(head)
      net.layers[2].linear1.weight:mul_(2)
      check(head)
      net.layers[1].norm1.bias[4] = 7
      check(head)
      net.layers[1].norm1.bias = nn.Parameter(lt.randn(48))
      check(head)
      check(nn.Linear(48, 6))
      net:load_state_dict((decoder():state_dict()))
      check(head)
    end)
  end)

  it("says what does not fit", function()
    lt.scope(function()
      local net = decoder()
      local memory = lt.randn(2, 5, 48)
      local function bad(text, f) assert.error_matches(f, text) end
      bad("memory is %(2, 5%)", function() nn.decoder_cache(net, memory:select(3, 1)) end)
      bad("precision i8", function() nn.decoder_cache(net, memory, { precision = "i8" }) end)
      bad("unknown option 'beams'", function() nn.decoder_cache(net, memory, { beams = 2 }) end)
      bad("activation must be", function() nn.decoder_cache(decoder { activation = lt.tanh }, memory) end)
      local cache = nn.decoder_cache(net, memory, { max_length = 1 })
      bad("x is %(1, 48%), but there are 2 rows", function() cache:step(lt.randn(1, 48)) end)
      bad("row 3 of 2", function() cache:reorder { 1, 3 } end)
      cache:step(lt.randn(2, 48))
      bad("room for 1 positions", function() cache:step(lt.randn(2, 48)) end)
    end)
  end)
end)
