-- `luatrain sweep FILE run --slurm`, on a Slurm cluster of the test's own: a real slurmctld and slurmd, on
-- this machine, in a temporary folder.
local command = require "sweep.command"
local core = require "luatrain.core"
local files = require "sweep.files"
local fs = require "luatrain.fs"
local json = require "luatrain.json"
local process = require "luatrain.process"
local program = require "program"

local SETTINGS = [[
ClusterName=luatrain
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
SlurmctldPort={port}
SlurmdPort={next_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
PlugStackConfig=/dev/null
SchedulerParameters=batch_sched_delay=1,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=100 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
]]

local function output(...) return (process.run({...}).output:gsub("%s+$", "")) end

local function daemon(name)
  return process.which(name) or fs.is_file("/usr/sbin/" .. name) and "/usr/sbin/" .. name
end

local missing = not (daemon "slurmctld" and daemon "slurmd" and process.which "sbatch")

describe("a sweep on Slurm", function()
  if missing then
    pending "no Slurm is installed (packages slurmctld, slurmd, slurm-client)"
    return
  end

  local cluster, conf
  local function slurm(...) return process.run({"env", "SLURM_CONF=" .. conf, ...}, {timeout = 30}) end

  setup(function()
    cluster = program.folder()
    conf = fs.join(cluster, "slurm.conf")
    local port = 20000 + core.C.lt_getpid() % 20000
    local values = {host = output("hostname", "-s"), user = output("id", "-un"), folder = cluster,
      port = tostring(port), next_port = tostring(port + 1)}
    fs.write(conf, (SETTINGS:gsub("{([%w_]+)}", values)))
    fs.mkdir(fs.join(cluster, "spool"))
    for _, name in ipairs {"slurmctld", "slurmd"} do
      assert.equal(0, slurm(daemon(name), "-f", conf).code)
    end
    command.until_true(function() return slurm("sinfo", "-h", "-o", "%t").output:find "idle" end,
      "the node did not come up")
  end)

  teardown(function()
    for _, name in ipairs {"slurmd", "slurmctld"} do
      local path = fs.join(cluster, name .. ".pid")
      if fs.exists(path) then process.run {"kill", fs.read(path):match "%d+"} end
      command.until_true(function() return not fs.exists(path) end, name .. " does not end")
    end
    program.clean()
  end)

  local function sweep(folder, path, ...)
    local result = program.run({"sweep", path, ...}, {directory = folder, timeout = 60,
      env = {SLURM_CONF = conf}})
    assert.equal(0, result.code, result.err)
    return result
  end

  local function states(folder, path, ...)
    local counts = {}
    for _, trial in ipairs(json.decode(sweep(folder, path, "trials", "--json", ...).out)) do
      counts[trial.state] = (counts[trial.state] or 0) + 1
    end
    return counts
  end

  it("submits a job array whose elements share the trials", function()
    local folder = program.folder()
    local path = files.write(folder, "array", "slurm = {partition = 'test', cpus_per_task = 1, "
      .. "time = '0:05:00'}, trials = 16, " .. files.wait(0.2))
    local out = fs.join(folder, "a folder")
    local said = sweep(folder, path, "run", "--slurm", "--parallel", "2", "--folder", out).out
    assert.is_truthy(said:find "submitted job array %d+")
    command.until_true(function() return states(folder, path, "--folder", out).done == 16 end,
      "the study was not finished")
    local elements = 0
    for _, name in ipairs(fs.list(out)) do
      if name:match "^slurm%-%d+_%d+%.log$" then
        local text = fs.read(fs.join(out, name))
        assert.is_truthy(text:find("1 thread each", 1, true), text)
        if text:find "trial %d+: " then elements = elements + 1 end
      end
    end
    assert.equal(2, elements)
  end)

  it("puts its trial back when its time is over, and asks to be started again", function()
    local folder = program.folder()
    local path = files.write(folder, "over", "trials = 1, " .. files.wait(20))
    local job = sweep(folder, path, "run", "--slurm").out:match "array (%d+)"
    command.until_true(function() return states(folder, path).running == 1 end, "no trial began")
    assert.equal(0, slurm("scancel", "--batch", "--signal=USR1", job .. "_1").code)
    command.until_true(function() return states(folder, path).waiting == 1 end, "the trial does not wait")
    command.until_true(function()
      return slurm("squeue", "-h", "-o", "%t", "-j", job).output:find "PD"
    end, "the element was not put back into the queue")
    slurm("scancel", job)
  end)

  it("names an option of Slurm that there is not, and prints its script", function()
    local folder = program.folder()
    local path = files.write(folder, "script", "slurm = {partition = 'test'}, " .. files.wait(0))
    local script = sweep(folder, path, "run", "--slurm", "--dry-run", "--parallel", "7").out
    assert.is_truthy(script:find("#SBATCH --array=1-7", 1, true))
    assert.is_truthy(script:find("#SBATCH --partition=test", 1, true))
    path = files.write(folder, "script", "slurm = {partitoin = 'test'}, " .. files.wait(0))
    local result = program.run({"sweep", path, "run", "--slurm"}, {directory = folder})
    assert.equal(3, result.code)
    assert.is_truthy(result.err:find("did you mean partition?", 1, true))
  end)
end)
