-- The examples of luatrain.doc.examples: each stands for a name there is, and runs.
local doc = require "luatrain.doc"
local examples = require "luatrain.doc.examples"
local names = require "luatrain.doc.names"
local page = require "luatrain.doc.page"
local topics = require "luatrain.doc.topic"

-- Those that need a file that is not here.
local NEEDS_FILE = { ["lt.audio.load"] = true, ["lt.audio.info"] = true, ["lt.audio.save"] = true }

describe("examples", function()
  local function nothing() end
  local env = setmetatable({ lt = lt, nn = lt.nn, help = nothing, who = nothing }, { __index = _G })

  for name, code in pairs(examples) do
    it("of " .. name, function()
      assert.is_true(doc.topic(name).documented)
      local chunk = loadstring("return " .. code) or assert(loadstring(code))
      setfenv(chunk, env)
      if not NEEDS_FILE[name] then
        local value = chunk()
        -- What is said of a result's shape holds.
        local shape = code:match "%-%- (%([%d, ]+%))"
        if shape and lt.is_tensor(value) then assert.equal(shape, value:shape_text()) end
      end
    end)
  end

  it("are there for most functions", function()
    local with, all = 0, 0
    for _, record in ipairs(names.all()) do
      if (record.kind == "function" or record.kind == "class") and (record.room == "" or record.room == "nn"
        or record.room == "audio" or record.room == "loss" or record.room == "optim") then
        all = all + 1
        local topic = topics.of(record)
        local used = page.text(topic):find(record.key .. "%s?[%({\"]", #topic.title + 2)
        if #topic.examples > 0 or used then with = with + 1 end
      end
    end
    assert.is_true(with / all > 0.85, ("%d of %d"):format(with, all))
  end)
end)
