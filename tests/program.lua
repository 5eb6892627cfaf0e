-- Runs the luatrain program as a user does: exit code, standard output and standard error apart.
local ffi = require "ffi"
local core = require "luatrain.core"
local fs = require "luatrain.fs"
local process = require "luatrain.process"

local program = {path = ffi.string(core.C.lt_program_path())}

--- The absolute path of a file of the checkout; specs run in its root.
function program.here(path)
  local pipe = io.popen "pwd"
  local root = pipe:read "*l"
  pipe:close()
  return fs.join(root, path)
end

--- The folder LUATRAIN_PATH with its whole path, for programs that run elsewhere; nil where it is not set.
function program.library()
  local path = os.getenv "LUATRAIN_PATH"
  return path and (path:sub(1, 1) == "/" and path or program.here(path))
end

--- A fresh folder that is removed when the test process ends.
local folders = {}
function program.folder()
  local path = fs.temporary_directory()
  folders[#folders + 1] = path
  return path
end

--- Removes all folders made so far; for teardown.
function program.clean()
  for _, path in ipairs(folders) do
    if fs.exists(path) then fs.remove_tree(path) end
  end
  folders = {}
end

--- Words as a shell takes them.
function program.quoted(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = "'" .. tostring(word):gsub("'", "'\\''") .. "'" end
  return table.concat(list, " ")
end

--- Runs `luatrain ARGS`. options: directory, timeout (seconds, then SIGKILL), env = {NAME = value},
-- with: a shell command in which %s stands for the program.
-- Returns {code, killed, out, err}.
function program.run(args, options)
  options = options or {}
  local folder = fs.temporary_directory()
  local words = {}
  for name, value in pairs(options.env or {}) do words[#words + 1] = ("%s=%s"):format(name, value) end
  local command = ("env %s %s"):format(program.quoted(words), program.quoted {program.path, unpack(args)})
  command = options.with and ("{ %s; }"):format(options.with:format(command)) or "exec " .. command
  command = ("%s >%s/out 2>%s/err"):format(command, folder, folder)
  local result = process.run({"sh", "-c", command}, {directory = options.directory or folder,
    timeout = options.timeout})
  local function text(name)
    local path = fs.join(folder, name)
    return fs.is_file(path) and fs.read(path) or ""
  end
  local answer = {code = result.code, killed = result.state ~= "exited", out = text "out", err = text "err"}
  fs.remove_tree(folder)
  return answer
end

--- The last line on standard error: where an error is told.
function program.last_line(text)
  return text:match "([^\n]*)\n?$"
end

--- Expects that a run (of program.run) has failed: with this code, and one line for people that contains all
-- the given texts.
function program.failed(result, code, ...)
  local assert = require "luassert"
  assert.equal(code, result.code, result.err)
  local line = program.last_line(result.err)
  assert.equal("luatrain: ", line:sub(1, 10))
  for _, text in ipairs {...} do
    assert.is_truthy(line:find(text, 1, true), ("'%s' is not in: %s"):format(text, line))
  end
  assert.is_nil(result.err:find "stack traceback")
  return result
end

return program
