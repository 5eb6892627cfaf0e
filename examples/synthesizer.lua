-- Plays a preset of the built-in synthesizer into a file: a random one, or one you describe.
--
--   luatrain examples/synthesizer.lua out.wav [SEED | preset.json] [NOTE]
local out, which, note = arg[1], arg[2] or "1", tonumber(arg[3] or 60)
if not out then
  io.stderr:write("usage: luatrain examples/synthesizer.lua OUT.wav [SEED | PRESET.json] [NOTE]\n")
  os.exit(2)
end
local s = lt.synthesizer.open "builtin"
local preset = tonumber(which) and s:random(tonumber(which), 1) or s:preset(lt.json.load(which))
local sound = s:render(preset, { note = note, seconds = 2, gate = 1.5, sample_rate = 44100 })
lt.audio.save(out, sound, 44100)
lt.json.save(out:gsub("%.%w+$", "") .. ".json", s:values(preset))

-- What is heard of it: parameters of tier 1 whose switches are on.
local values = s:values(preset)
for _, p in ipairs(s.parameters) do
  local heard = p.tier == 1
  for switch in (p.switch or ""):gmatch "[^+]+" do
    heard = heard and preset.categorical:get(s.by_name[switch].index) > 0
  end
  if heard then print(("%-22s %s"):format(p.name, values[p.name])) end
end
