-- lt.play: which program is run with what, that it runs beside us, and how it ends. Players are scripts here.
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local program = require "program"

-- How long a player sleeps: a number that no other process has.
local SECONDS = "30." .. core.C.lt_getpid()

-- A folder with players of these names. Each copies what it is to play to ./heard.wav, writes its words to
-- ./words, and then sleeps.
local function players(...)
  local folder = program.folder()
  local bin = fs.join(folder, "bin")
  fs.mkdir(bin)
  for _, name in ipairs { ... } do
    local path = fs.join(bin, name)
    fs.write(path, ("#!/bin/sh\nfor last in \"$@\"; do :; done\n/bin/cp \"$last\" %s/heard.wav\n"
      .. "echo \"$(/usr/bin/basename \"$0\") $*\" > %s/words.new\n/bin/mv %s/words.new %s/words\n"
      .. "exec /bin/sleep %s\n"):format(folder, folder, folder, folder, SECONDS))
    process.run { "chmod", "755", path }
  end
  return folder, bin
end

-- A folder with one player that does this.
local function with_aplay(script)
  local bin = program.folder()
  fs.write(fs.join(bin, "aplay"), "#!/bin/sh\n" .. script .. "\n")
  process.run { "chmod", "755", fs.join(bin, "aplay") }
  return bin
end

local function run(code, env) return program.run({ "-e", code }, { env = env, timeout = 20 }) end

-- Code that plays, and waits until the player has what it needs.
local function playing(folder, what)
  return ("lt.play(%s) local fs = lt.fs for i = 1, 500 do if fs.exists('%s/words') then break end "
    .. "lt.process.run { '/bin/sleep', '0.01' } end assert(lt.play.playing()) "):format(what, folder)
end

describe("lt.play", function()
  teardown(program.clean)

  it("gives a WAV file of the sound to the first player there is, and goes on", function()
    local folder, bin = players("aplay", "mpv")
    local started = core.C.lt_time()
    local result = run(playing(folder, "lt.tensor { 0, 0.5, -1, 2 }, 8000") .. "print 'on'", { PATH = bin })
    assert.equal(0, result.code, result.err)
    assert.equal("on\n", result.out)
    assert.is_true(core.C.lt_time() - started < 15)
    assert.is_truthy(fs.read(fs.join(folder, "words")):find "^aplay %-q /%S+sound.wav\n$")
    local x, rate = lt.audio.load(fs.join(folder, "heard.wav"))
    assert.equal(8000, rate)
    local heard = x:flat()
    for i, v in ipairs { 0, 0.5, -1, 1 } do assert.is_true(math.abs(heard[i] - v) < 1e-3, heard[i]) end
  end)

  it("takes stereo and files, and prefers PipeWire", function()
    local folder, bin = players("play", "pw-play", "ffplay")
    local result = run(playing(folder, "lt.zeros(2, 100), 44100"), { PATH = bin })
    assert.equal(0, result.code, result.err)
    assert.equal("pw-play", fs.read(fs.join(folder, "words")):match "^%S+")
    assert.equal(2, lt.audio.info(fs.join(folder, "heard.wav")).channels)
    fs.remove(fs.join(folder, "words"))
    local file = fs.join(folder, "my sound.wav")
    lt.audio.save(file, lt.zeros(50), 16000)
    result = run(playing(folder, ("'%s'"):format(file)), { PATH = bin })
    assert.equal(0, result.code, result.err)
    assert.equal("pw-play " .. file .. "\n", fs.read(fs.join(folder, "words")))
    assert.is_true(fs.is_file(file))
  end)

  it("stops, and takes its file away", function()
    local folder, bin = players "aplay"
    local result = run(playing(folder, "lt.zeros(100), 8000")
      .. "local path = fs.read('" .. folder .. "/words'):match '(%S+)%s*$' "
      .. "print(fs.exists(path)) lt.play.stop() print(lt.play.playing(), fs.exists(path)) lt.play.stop()",
      { PATH = bin })
    assert.equal("true\nfalse\tfalse\n", result.out, result.err)
  end)

  it("leaves neither a player nor a file behind when the program ends", function()
    local folder, bin = players "aplay"
    run(playing(folder, "lt.zeros(100), 8000"), { PATH = bin })
    local path = fs.read(fs.join(folder, "words")):match "(%S+)%s*$"
    assert.is_false(fs.exists(path))
    local count = "ps -eo args | grep -c '[s]leep " .. SECONDS .. "' || true"
    local found = process.run({ "sh", "-c", count }).output
    assert.equal(0, tonumber(found), found)
  end)

  it("waits for the end where asked to", function()
    local bin = with_aplay "exec /bin/sleep 0.3"
    local started = core.C.lt_time()
    local result = run("lt.play(lt.zeros(9), 8000) lt.play.wait() print(lt.play.playing())", { PATH = bin })
    assert.equal("false\n", result.out, result.err)
    assert.is_true(core.C.lt_time() - started >= 0.3)
  end)

  it("tells why a player ended at once", function()
    local bin = with_aplay "echo trying >&2; echo 'no sound card' >&2; exit 1"
    local result = run("lt.play(lt.zeros(9), 8000)", { PATH = bin })
    assert.equal(6, result.code)
    assert.is_truthy(result.err:find("play: the player failed: no sound card\n", 1, true), result.err)
  end)

  it("takes the program that LUATRAIN_PLAYER names", function()
    local folder, bin = players "my-player"
    local result = run(playing(folder, "lt.zeros(100), 8000"), { PATH = bin, LUATRAIN_PLAYER = "my-player" })
    assert.equal(0, result.code, result.err)
    assert.equal("my-player", fs.read(fs.join(folder, "words")):match "^%S+")
    result = run("lt.play(lt.zeros(9), 8000)", { PATH = bin, LUATRAIN_PLAYER = "none" })
    assert.is_truthy(result.err:find("LUATRAIN_PLAYER names 'none'", 1, true))
  end)

  it("says in one line what is wrong, and what to install", function()
    local _, bin = players "aplay"
    for _, case in ipairs {
      { "lt.play(lt.zeros(9), 8000)", "/nowhere", "no player is installed; install one of: pipewire-bin" },
      { "lt.play(lt.zeros(9))", bin, "say the sample rate" }, { "lt.play(lt.zeros(9), 5)", bin, "not 5" },
      { "lt.play(lt.zeros(3, 9), 8000)", bin, "(3, 9)" }, { "lt.play(5, 8000)", bin, "x is a number" },
      { "lt.play(lt.zeros(0), 8000)", bin, "the sound is empty" },
      { "lt.play(lt.tensor { 0 / 0 }, 8000)", bin, "NaN" },
      { "lt.play '/nowhere/a.wav'", bin, "no such file" },
    } do
      local result = run(case[1], { PATH = case[2] })
      assert.is_true(result.code ~= 0, case[1])
      assert.is_truthy(result.err:find(case[3], 1, true), result.err)
      assert.equal(1, select(2, result.err:gsub("\n", "")))
    end
  end)
end)
