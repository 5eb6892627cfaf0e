-- Shows a sound file: its format, its loudness, and its log-mel picture as a PNG.
--
--   luatrain examples/look.lua song.wav picture.png
local path, picture = arg[1], arg[2] or "picture.png"
if not path then
  io.stderr:write("usage: luatrain examples/look.lua SOUND [PICTURE.png]\n")
  os.exit(2)
end
local info = lt.audio.info(path)
print(("%d Hz, %d channels, %.2f s"):format(info.sample_rate, info.channels, info.frames / info.sample_rate))
local audio = lt.audio.load(path, { sample_rate = 22050, mono = true })
print(("peak %.3f, rms %.3f"):format(audio:abs():max():item(), audio:square():mean():sqrt():item()))
local mel = lt.audio.log_mel(audio, { sample_rate = 22050, n_mels = 96, form = "db", top_db = 80 })
if lt.report.available() then
  lt.report.image(picture, mel, { title = path })
  print("written to " .. picture)
else
  print("no picture: gnuplot is not installed")
end
