-- A PostgreSQL cluster of a test's own: in a temporary folder, reached by a socket in it, run by an
-- unprivileged user (the server refuses root).
local ffi = require "ffi"
local fs = require "luatrain.fs"
local process = require "luatrain.process"

local postgres = {}

ffi.cdef "unsigned geteuid(void);"

-- Debian keeps the server's programs out of PATH.
local function find(name)
  for _, pattern in ipairs {"/usr/lib/postgresql/%d/bin/" .. name} do
    for version = 20, 11, -1 do
      if fs.is_file(pattern:format(version)) then return pattern:format(version) end
    end
  end
  return process.which(name)
end

local function as_user(argv)
  if ffi.C.geteuid() ~= 0 then return argv end
  local words = {"runuser", "-u", "postgres", "--"}
  for _, word in ipairs(argv) do words[#words + 1] = word end
  return words
end

--- Why there is no server here; nil where there is one.
function postgres.missing()
  if not find "initdb" or not find "pg_ctl" then return "no PostgreSQL server is installed" end
  if not require("luatrain.sweep.postgres").available() then return "libpq is not installed" end
  if ffi.C.geteuid() == 0 and not process.run({"id", "postgres"}).ok then
    return "there is no user 'postgres' to run the server as"
  end
end

local function run(argv, folder)
  -- The user may not enter the current folder, and pg_ctl's child keeps the output open.
  local result = process.run(as_user(argv), {directory = folder, log = folder .. "/output", timeout = 60})
  assert(result.ok, table.concat(argv, " ") .. ": " .. fs.read(folder .. "/output"))
end

--- Starts a server; returns {url, folder, restart(), stop()}.
function postgres.start()
  local folder = fs.temporary_directory()
  process.run {"chmod", "777", folder}
  local data = fs.join(folder, "data")
  run({find "initdb", "-D", data, "-A", "trust", "-U", "luatrain", "-N", "-E", "UTF8"}, folder)
  local settings = ("listen_addresses=''\\nunix_socket_directories='%s'\\n"):format(folder)
  process.run {"sh", "-c", ('printf "%s" >>%s/postgresql.conf'):format(settings, data)}
  local function control(...)
    run({find "pg_ctl", "-D", data, "-l", fs.join(folder, "log"), "-w", ...}, folder)
  end
  control "start"
  return {
    folder = folder, url = "postgresql://luatrain@/postgres?host=" .. folder,
    restart = function() control("-m", "immediate", "restart") end,
    stop = function()
      control("-m", "immediate", "stop")
      fs.remove_tree(folder)
    end,
  }
end

return postgres
