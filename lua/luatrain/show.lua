--- Tensors as text, in PyTorch's form: aligned columns, large ones elided, shape and dtype named.
local show = { edge = 3, threshold = 1000, digits = 4, width = 80 }

local function visible(size, elide)
  local list = {}
  if not elide or size <= 2 * show.edge then
    for i = 1, size do list[i] = i end
    return list
  end
  for i = 1, show.edge do list[i] = i end
  list[#list + 1] = false  -- the gap
  for i = size - show.edge + 1, size do list[#list + 1] = i end
  return list
end

-- Values that will be printed, to choose one format for all of them.
local function gather(t, elide, values)
  if t.c.ndim == 0 then
    values[#values + 1] = t:get()
    return values
  end
  for _, i in ipairs((function()
    local l = {}
    for _, v in ipairs(visible(t:size(1), elide)) do if v then l[#l + 1] = v end end
    return l
  end)()) do
    gather(t:detach():select(1, i), elide, values)
  end
  return values
end

-- One format for all values: whole numbers, fixed point, or exponents.
local function formatter(values, dtype)
  if dtype == "bool" then
    return function(v) return v ~= 0 and "true" or "false" end
  end
  local whole, largest, smallest = true, 0, math.huge
  for _, v in ipairs(values) do
    if v == v and math.abs(v) ~= math.huge then
      local a = math.abs(v)
      if v % 1 ~= 0 then whole = false end
      if a > largest then largest = a end
      if a > 0 and a < smallest then smallest = a end
    end
  end
  local pattern = "%." .. show.digits .. "f"
  if dtype:sub(1, 1) == "i" or dtype == "u8" then
    pattern = "%d"
  elseif whole and largest < 1e8 then
    pattern = "%.0f."
  elseif largest >= 1e8 or smallest < 1e-4 or largest / smallest > 1000 * 1e4 then
    pattern = "%." .. show.digits .. "e"
  end
  return function(v)
    if v ~= v then return "nan" end
    if v == math.huge then return "inf" end
    if v == -math.huge then return "-inf" end
    return (pattern:format(v))
  end
end

local function lines(t, elide, format, width, indent)
  if t.c.ndim == 0 then return format(t:get()) end
  local indices = visible(t:size(1), elide)
  if t.c.ndim == 1 then
    local parts, per_line = {}, math.max(1, math.floor((show.width - indent) / (width + 2)))
    local out, count = {}, 0
    for _, i in ipairs(indices) do
      parts[#parts + 1] = i and ("%" .. width .. "s"):format(format(t:get(i))) or "..."
      count = count + 1
      if count == per_line then
        out[#out + 1] = table.concat(parts, ", ")
        parts, count = {}, 0
      end
    end
    if #parts > 0 then out[#out + 1] = table.concat(parts, ", ") end
    return "[" .. table.concat(out, ",\n" .. (" "):rep(indent + 1)) .. "]"
  end
  local parts = {}
  for _, i in ipairs(indices) do
    parts[#parts + 1] = i and lines(t:select(1, i), elide, format, width, indent + 1) or "..."
  end
  local gap = "," .. ("\n"):rep(t.c.ndim - 1) .. (" "):rep(indent + 1)
  return "[" .. table.concat(parts, gap) .. "]"
end

--- The text that print(t) shows.
function show.tensor(t)
  if t.c.storage == nil then return "tensor(released with its scope)" end
  local dtype = t:dtype()
  local plain = t:detach()
  local tail = ""
  if dtype ~= "f32" then tail = tail .. ", dtype=" .. dtype end
  if t.node then
    tail = tail .. ", grad_fn=" .. t.node.name
  elseif t.requires_grad then
    tail = tail .. ", requires_grad=true"
  end
  local n = t:numel()
  if n == 0 then return ("tensor([], size=%s%s)"):format(t:shape_text(), tail) end
  local elide = n > show.threshold
  if elide then tail = ", size=" .. t:shape_text() .. tail end
  local values = gather(plain, elide, {})
  local format = formatter(values, dtype)
  local width = 0
  for _, v in ipairs(values) do width = math.max(width, #format(v)) end
  return "tensor(" .. lines(plain, elide, format, width, 7) .. tail .. ")"
end

return show
