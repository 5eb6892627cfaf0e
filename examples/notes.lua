-- Lists the notes of a MIDI file in seconds, with its tempo and keys, and writes it transposed.
--
--   luatrain examples/notes.lua song.mid [SEMITONES out.mid]
local path, semitones, out = arg[1], tonumber(arg[2] or 0), arg[3]
if not path then
  io.stderr:write("usage: luatrain examples/notes.lua SONG.mid [SEMITONES OUT.mid]\n")
  os.exit(2)
end
local song = lt.midi.read(path)
print(("%d notes, %.1f s"):format(#song.notes, song.duration or 0))
for i, note in ipairs(song.notes) do
  if i <= 10 then
    print(("%8.3f to %8.3f  pitch %3d  velocity %3d"):format(note.start, note.stop, note.pitch,
      note.velocity))
  end
  if not note.drum then note.pitch = math.max(0, math.min(127, note.pitch + semitones)) end
end
if out then lt.midi.write(out, song) end
