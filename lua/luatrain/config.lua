--- Settings. One declaration serves as defaults, command-line flags, help text, config-file keys
-- and checkpoint metadata. A plain value declares a field of its type; the functions below declare
-- one with a meaning and limits. Tables nest one level: {mel = {bands = 64}} is --mel.bands 64.
-- Other names (aliases) may nest as deep as somebody else's config file does.
--
--   local fields = config.fields {
--     epochs = 20,
--     lr = config.number(1e-3, "peak learning rate", {min = 0}),
--   }
--   local values, rest = config.parse(fields, {"--lr", "3e-4", "song.wav"})   -- rest {"song.wav"}
--   local c = config.resolve(fields, {config.read("my.yaml", fields), values})
--   c.lr, c.epochs                                                            -- 3e-4, 20
--
-- Reading a name that was not declared is an error, so a misspelt c.lerning_rate is not a nil.
local failure = require "luatrain.failure"
local wrap = require("luatrain.text").wrap

local config = {}

local Field = {}
Field.__index = Field
local created = 0

local function field(kind, default, help, options)
  created = created + 1
  local self = {kind = kind, default = default, help = help or "", order = created}
  for key, value in pairs(options or {}) do self[key] = value end
  setmetatable(self, Field)
  local problem = self:problem(default)
  if problem then error(("config.%s: the default %s"):format(kind, problem), 3) end
  return self
end

--- A number. options: min, max (both allowed values), alias (another name, for the flag and in config
-- files, or a list of names: {"lr", "training.learning_rate"}), short (one letter: -d VALUE is the same as
-- --data VALUE).
function config.number(default, help, options) return field("number", default, help, options) end

--- A whole number; options as config.number.
function config.integer(default, help, options) return field("integer", default, help, options) end

--- A text. options: alias.
function config.string(default, help, options) return field("string", default, help, options) end

--- One of a list of texts: config.choice("cosine", {"cosine", "onecycle"}, "schedule"). options: alias;
-- switch = {use_amp = {"bf16", "f32"}}: --use-amp and --no-use-amp stand for these choices.
function config.choice(default, choices, help, options)
  local o = {choices = choices}
  for key, value in pairs(options or {}) do o[key] = value end
  return field("choice", default, help, o)
end

--- True or false; on the command line --name, --no-name, --name=false.
function config.flag(default, help, options) return field("flag", default, help, options) end

--- A list of numbers or of texts, like its default; on the command line separated by commas.
-- options: of ("number" or "string", needed where the default is empty).
function config.list(default, help, options)
  local o = {of = type(default[1]) == "number" and "number" or "string"}
  for key, value in pairs(options or {}) do o[key] = value end
  return field("list", default, help, o)
end

local function show(value)
  if type(value) == "string" then return "'" .. value .. "'" end
  if type(value) == "table" then return "a table" end
  return tostring(value)
end

-- "between 0 and 1", "of at least 0", "" for a field's limits.
local function range_text(self)
  if self.min and self.max then return (" between %.14g and %.14g"):format(self.min, self.max) end
  if self.min then return (" of at least %.14g"):format(self.min) end
  if self.max then return (" of at most %.14g"):format(self.max) end
  return ""
end

local nouns = {
  number = "a number", integer = "an integer", string = "a text", flag = "true or false",
}

-- What the field takes, for messages.
local function wants(self)
  if self.kind == "choice" then return "one of " .. table.concat(self.choices, ", ") end
  if self.kind == "list" then return ("a list of %ss"):format(self.of) end
  return nouns[self.kind] .. range_text(self)
end

local function matches(self, value)
  local kind = self.kind
  if kind == "number" or kind == "integer" then
    if type(value) ~= "number" or value ~= value then return false end
    if kind == "integer" and (value % 1 ~= 0 or math.abs(value) > 2 ^ 53) then return false end
    return (not self.min or value >= self.min) and (not self.max or value <= self.max)
  elseif kind == "string" then
    return type(value) == "string"
  elseif kind == "flag" then
    return type(value) == "boolean"
  elseif kind == "choice" then
    for _, choice in ipairs(self.choices) do
      if choice == value then return true end
    end
    return false
  end
  if type(value) ~= "table" then return false end
  for key, item in pairs(value) do
    if type(key) ~= "number" or type(item) ~= self.of then return false end
  end
  return true
end

-- nil where value fits the field, else what is wrong with it.
function Field:problem(value)
  if matches(self, value) then return nil end
  return ("wants %s, got %s"):format(wants(self), show(value))
end

-- The value a command-line text stands for; unchanged where it stands for none.
function Field:from_text(text)
  if self.kind == "number" or self.kind == "integer" then return tonumber(text) or text end
  if self.kind == "flag" then
    if text == "true" or text == "yes" or text == "on" or text == "1" then return true end
    if text == "false" or text == "no" or text == "off" or text == "0" then return false end
    return text
  end
  if self.kind == "list" then
    local list = {}
    for item in text:gmatch("[^,]+") do
      list[#list + 1] = self.of == "number" and (tonumber(item) or item) or item
    end
    return list
  end
  return text
end

local function plain_field(name, value)
  local kind = type(value)
  local self = {help = "", order = math.huge, default = value}
  if kind == "number" then
    self.kind = "number"
    -- A whole default of 2 or more counts something; 0 and 1 may be either.
    if value % 1 == 0 and value >= 2 then self.kind = "integer" end
  elseif kind == "string" then self.kind = "string"
  elseif kind == "boolean" then self.kind = "flag"
  elseif kind == "table" and value[1] ~= nil then
    self.kind, self.of = "list", type(value[1])
  else
    failure.raise("config", "config: '%s' is a %s; settings are numbers, texts, true or false, or lists",
      name, kind)
  end
  return setmetatable(self, Field)
end

local function is_field(value) return getmetatable(value) == Field end

-- The other names of a field, a list.
local function aliases(one)
  if type(one.alias) == "table" then return one.alias end
  return { one.alias }
end

-- Remembers that "a.b.c" lies in the tables "a" and "a.b".
local function note_sections(sections, name)
  for at in name:gmatch "()%." do sections[name:sub(1, at - 1)] = true end
end

--- Reads one or more declarations (later ones win, but a plain value keeps the meaning and limits
-- of the field it overrides). Returns the fields: a list in order of declaration, also by name.
function config.fields(...)
  local by_name, sections = {}, {}
  local function add(name, value, group)
    local old = by_name[name]
    local new
    if is_field(value) then
      new = setmetatable({}, Field)
      for key, item in pairs(value) do new[key] = item end
    elseif old then
      new = setmetatable({}, Field)
      for key, item in pairs(old) do new[key] = item end
      new.default = value
      local problem = new:problem(value)
      if problem then failure.raise("config", "config: '%s' %s", name, problem) end
    else
      new = plain_field(name, value)
    end
    new.name, new.group = name, group
    by_name[name] = new
  end
  for group, declaration in ipairs({...}) do
    for name, value in pairs(declaration) do
      if type(name) ~= "string" then
        failure.raise("config", "config: settings need names, found '%s'", tostring(name))
      end
      if type(value) == "table" and not is_field(value) and value[1] == nil then
        sections[name] = true
        for inner, item in pairs(value) do add(name .. "." .. inner, item, group) end
      else
        add(name, value, group)
      end
    end
  end
  local list = {by_name = by_name, sections = sections}
  for _, one in pairs(by_name) do list[#list + 1] = one end
  table.sort(list, function(a, b)
    if a.group ~= b.group then return a.group > b.group end
    if a.order ~= b.order then return a.order < b.order end
    return a.name < b.name
  end)
  list.switches = {}
  for _, one in ipairs(list) do
    for _, name in ipairs(aliases(one)) do
      by_name[name] = by_name[name] or one
      note_sections(sections, name)
    end
    for name, choices in pairs(one.switch or {}) do
      list.switches[name] = { field = one, choice = { [true] = choices[1], [false] = choices[2] } }
      note_sections(sections, name)
    end
  end
  return list
end

local function names_of(fields)
  local names = {}
  for name in pairs(fields.by_name) do names[#names + 1] = name end
  for name in pairs(fields.switches) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- The full name of the field with a one-letter flag.
local function long_name(fields, arg)
  local letter = arg:sub(2)
  for name, one in pairs(fields.by_name) do
    if one.short == letter then return name end
  end
  failure.raise("usage", "unknown option %s; settings are written --name value", arg)
end

-- What a flag means: its field (or nil), whether it says no, and the switch it is (or nil).
local function meaning(fields, key)
  local name = key:gsub("-", "_")
  local positive = name:match "^no_(.+)$"
  if fields.by_name[name] then return fields.by_name[name], false end
  if fields.switches[name] then return fields.switches[name].field, false, fields.switches[name] end
  local one, switch = fields.by_name[positive], fields.switches[positive]
  if one and one.kind == "flag" then return one, true end
  if switch then return switch.field, true, switch end
end

-- The value of one flag: text is what stands behind "=" (or nil), take() gives the next argument.
local function value_of(fields, key, text, take)
  local one, negative, switch = meaning(fields, key)
  if not one then
    failure.raise("usage", "unknown setting --%s%s", key,
      failure.suggest(key:gsub("-", "_"), names_of(fields), "--"))
  end
  if switch then
    if text then failure.raise("usage", "--%s takes no value", key) end
    return one, switch.choice[not negative]
  end
  if one.kind == "flag" and not text then return one, not negative end
  if not text then
    text = take()
    if not text then failure.raise("usage", "--%s wants %s, got nothing", key, wants(one)) end
  end
  local value = one:from_text(text)
  local problem = one:problem(value)
  if problem then failure.raise("usage", "--%s %s", key, problem) end
  return one, value
end

--- Reads command-line arguments: --key value, --key=value, --flag, --no-flag, and -k value where a
-- field has a short form; -- ends them.
-- Returns the values by full name and the list of the other arguments. Raises a usage failure.
function config.parse(fields, args)
  local values, rest = {}, {}
  local i = 1
  local function take()
    i = i + 1
    return args[i]
  end
  while i <= #args do
    local arg = args[i]
    if arg == "--" then
      for k = i + 1, #args do rest[#rest + 1] = args[k] end
      break
    end
    local key, text = arg:match("^%-%-([^=]+)=(.*)$")
    key = key or arg:match("^%-%-(.+)$")
    if not key and arg:match("^%-%a") then key = long_name(fields, arg) end
    if not key then
      rest[#rest + 1] = arg
    else
      local one, value = value_of(fields, key, text, take)
      values[one.name] = value
    end
    i = i + 1
  end
  return values, rest
end

--- Checks a nested table of values (from a file or a checkpoint) against the fields.
-- origin begins the messages. unknown = "skip" drops names that are not declared (old checkpoints).
-- Returns the values by full name.
function config.check(fields, nested, origin, unknown)
  local values = {}
  local function put(name, value)
    local one, switch = fields.by_name[name], fields.switches[name]
    if not one and not switch then
      if unknown == "skip" then return end
      failure.raise("config", "%s: unknown setting '%s'%s", origin, name,
        failure.suggest(name, names_of(fields)))
    end
    local problem
    if one then problem = one:problem(value)
    elseif type(value) ~= "boolean" then problem = ("wants true or false, got %s"):format(show(value)) end
    if problem then failure.raise("config", "%s: '%s' %s", origin, name, problem) end
    if switch then one, value = switch.field, switch.choice[value] end
    values[one.name] = value
  end
  local function walk(prefix, nested_values)
    for key, value in pairs(nested_values) do
      local name = prefix .. tostring(key):gsub("-", "_")
      local enter = type(value) == "table" and fields.sections[name]
      if enter then walk(name .. ".", value) else put(name, value) end
    end
  end
  if type(nested) ~= "table" then
    failure.raise("config", "%s: holds no table of settings", origin)
  end
  walk("", nested)
  return values
end

local readers = {}

function readers.json(text) return require("luatrain.json").decode(text) end

--- lyaml, or nil where the package is not installed. It looks for globals that need not be there,
-- which the program otherwise refuses.
function config.lyaml()
  local meta = getmetatable(_G)
  setmetatable(_G, nil)
  local ok, lyaml = pcall(require, "lyaml")
  setmetatable(_G, meta)
  return ok and lyaml or nil
end

function readers.yaml(text)
  local lyaml = config.lyaml()
  if not lyaml then error("reading YAML needs the package lua-yaml", 0) end
  return lyaml.load(text)
end
readers.yml = readers.yaml

-- A Lua file that returns a table (or sets its names as globals), run in an empty environment.
function readers.lua(text, path)
  local environment = {}
  local chunk, problem = load(text, "@" .. path, "t", environment)
  if not chunk then error(problem, 0) end
  return chunk() or environment
end

--- Reads a config file: .yaml, .yml, .json or .lua. Returns the values by full name.
function config.read(path, fields)
  local kind = path:match("%.(%w+)$")
  local reader = kind and readers[kind:lower()]
  if not reader then
    failure.raise("config", "%s: a config file ends in .yaml, .json or .lua", path)
  end
  local file, problem = io.open(path, "rb")
  if not file then failure.raise("config", "cannot read config file: %s", problem) end
  local text = file:read("*a")
  file:close()
  if not text then failure.raise("config", "%s: cannot be read", path) end
  local nested = failure.wrap("config", path .. ": ", reader, text, path)
  return config.check(fields, nested, path)
end

local function value_text(value)
  if type(value) == "table" then
    local items = {}
    for i, item in ipairs(value) do items[i] = value_text(item) end
    return #items > 0 and table.concat(items, ",") or "none"
  end
  if type(value) == "number" then return ("%.14g"):format(value) end
  if value == "" then return "''" end
  return tostring(value)
end

-- "name = value" of a resolved table, sections below their name.
local function nested_lines(values, prefix)
  local names, lines = {}, {}
  for name in pairs(values) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = rawget(values, name)
    if type(value) == "table" and getmetatable(value) then
      for _, line in ipairs(nested_lines(value, prefix .. name .. ".")) do lines[#lines + 1] = line end
    else
      lines[#lines + 1] = ("%s%s = %s"):format(prefix, name, value_text(value))
    end
  end
  return lines
end

-- A table whose unknown names are errors.
local function strict(values, prefix)
  return setmetatable(values, {
    __tostring = function() return table.concat(nested_lines(values, prefix), "\n") end,
    __index = function(_, name)
      local names = {}
      for key in pairs(values) do names[#names + 1] = tostring(key) end
      error(("config has no setting '%s%s'%s"):format(prefix, tostring(name),
        failure.suggest(tostring(name), names)), 2)
    end,
  })
end

--- Lays values over the defaults: the first table of `layers` is the weakest (put the config file
-- before the command line). Returns the nested table that recipes read.
function config.resolve(fields, layers)
  local resolved = {}
  for _, one in ipairs(fields) do
    local value = one.default
    for _, layer in ipairs(layers or {}) do
      if layer[one.name] ~= nil then value = layer[one.name] end
    end
    local section, inner = one.name:match("^(.-)%.(.+)$")
    if section then
      resolved[section] = rawget(resolved, section) or strict({}, section .. ".")
      rawset(resolved[section], inner, value)
    else
      resolved[one.name] = value
    end
  end
  return strict(resolved, "")
end

--- Whether a resolved config has the setting (reading an unknown one raises).
function config.has(resolved, name) return rawget(resolved, name) ~= nil end

--- The resolved config as lines "name = value" in the order of the fields; a list of texts.
function config.lines(fields, resolved)
  local lines = {}
  for _, one in ipairs(fields) do
    local section, inner = one.name:match("^(.-)%.(.+)$")
    local value = section and resolved[section][inner]
    if not section then value = resolved[one.name] end
    lines[#lines + 1] = ("%s = %s"):format(one.name, value_text(value))
  end
  return lines
end

local placeholders = {number = "X", integer = "N", string = "TEXT", list = "A,B,..."}

-- "--epochs N" and "integer of at least 0; default 20".
local function describe(one)
  local flag = (one.short and "-" .. one.short .. ", " or "") .. "--" .. one.name:gsub("_", "-")
  if one.kind == "choice" then flag = flag .. " NAME"
  elseif one.kind ~= "flag" then flag = flag .. " " .. placeholders[one.kind]
  else flag = flag .. " | --no-" .. one.name:gsub("_", "-") end
  local kind = one.kind == "choice" and table.concat(one.choices, " | ")
    or one.kind == "list" and ("list of %ss"):format(one.of)
    or one.kind == "string" and "text" or one.kind .. range_text(one)
  local also = {}
  for _, name in ipairs(aliases(one)) do also[#also + 1] = "--" .. name:gsub("_", "-") end
  for name, choices in pairs(one.switch or {}) do
    also[#also + 1] = ("--%s for %s"):format(name:gsub("_", "-"), choices[1])
  end
  table.sort(also)
  local facts = ("(%s; default %s%s)"):format(kind, value_text(one.default),
    #also > 0 and "; also " .. table.concat(also, ", ") or "")
  return flag, facts
end

--- Help text: one entry a field with type, range, default and meaning, in order of declaration.
function config.help(fields)
  local lines = {}
  for _, one in ipairs(fields) do
    local flag, facts = describe(one)
    local margin = "\n" .. (" "):rep(30)
    local text = table.concat(wrap((one.help ~= "" and one.help .. " " or "") .. facts, 68), margin)
    if #flag > 26 then
      lines[#lines + 1] = "  " .. flag .. margin .. text
    else
      lines[#lines + 1] = ("  %-28s%s"):format(flag, text)
    end
  end
  return table.concat(lines, "\n")
end

return config
