--- Sweeps on a cluster: a Slurm job array whose elements are parents of one study.
--
-- Each element runs `luatrain sweep FILE run --parallel 1` on the resources that the file's `slurm` table, or
-- its absence, gives it, with the same storage; it joins the study, and what a killed element leaves is run
-- again by the others. Slurm signals an element 90 seconds before its time is over (SIGUSR1): its trial then
-- waits, and the element asks to be started again.
local ffi = require "ffi"
local core = require "luatrain.core"
local failure = require "luatrain.failure"
local fs = require "luatrain.fs"
local process = require "luatrain.process"
local C = core.C

local slurm = {}

-- Options of sbatch that a study may set, by the name in its table: partition = "gpu" is --partition=gpu.
local KNOWN = {account = true, constraint = true, cpus_per_task = true, exclude = true, gres = true,
  gpus = true, mem = true, mem_per_cpu = true, nice = true, nodelist = true, partition = true, qos = true,
  reservation = true, time = true}

local function quoted(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

local function resource_lines(spec)
  local lines, given = {}, spec.slurm or {}
  local names = core.sorted_keys(given)
  for _, name in ipairs(names) do
    if not KNOWN[name] then
      failure.raise("config", "%s: slurm.%s is not known%s", spec.path, name,
        failure.suggest(name, core.sorted_keys(KNOWN)))
    end
    local value = tostring(given[name])
    if value:find "[%c]" then failure.raise("config", "%s: slurm.%s is no single line", spec.path, name) end
    lines[#lines + 1] = ("#SBATCH --%s=%s"):format(name:gsub("_", "-"), value)
  end
  return lines
end

-- The command of one element, with what was given here.
local function command_of(spec, options)
  local words = {ffi.string(C.lt_program_path()), "sweep", spec.path, "run", "--parallel=1",
    "--storage=" .. options.storage, "--study=" .. spec.name, "--folder=" .. options.folder,
    "--retries=" .. options.retries, "--grace=" .. options.grace, "--max-failures=" .. options.max_failures}
  for _, name in ipairs {"trials", "timeout", "threads"} do
    if options[name] > 0 then words[#words + 1] = ("--%s=%s"):format(name, tostring(options[name])) end
  end
  for i, word in ipairs(words) do words[i] = quoted(word) end
  return table.concat(words, " ")
end

--- The script of the job array, a text.
function slurm.script(spec, options)
  local lines = {
    "#!/bin/sh",
    "#SBATCH --job-name=" .. spec.name,
    ("#SBATCH --array=1-%d"):format(options.parallel),
    ('#SBATCH --output="%s"'):format(fs.join(options.folder, "slurm-%A_%a.log")),
    "#SBATCH --open-mode=append",
    "#SBATCH --requeue",
    "#SBATCH --signal=B:USR1@90",
  }
  for _, line in ipairs(resource_lines(spec)) do lines[#lines + 1] = line end
  lines[#lines + 1] = "# The shell gets the signal and passes it on; 75 means: start me again."
  lines[#lines + 1] = command_of(spec, options) .. " &"
  lines[#lines + 1] = [[
child=$!
trap 'kill -USR1 $child' USR1
trap 'kill -TERM $child' TERM
wait $child
code=$?
while kill -0 $child 2>/dev/null; do
    wait $child
    code=$?
done
if [ $code = 75 ]; then exec scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"; fi
exit $code
]]
  return table.concat(lines, "\n")
end

--- Submits the job array. Returns the exit code.
function slurm.submit(spec, options)
  local script = slurm.script(spec, options)
  if options.dry_run then
    io.stdout:write(script)
    return 0
  end
  if not process.which "sbatch" then
    failure.raise("usage", "--slurm: the program sbatch is not installed here (package slurm-client)")
  end
  -- The study is made here, once, so that a mistake is told now and not by every element.
  local store = require("luatrain.sweep.storage").open(options.storage, {create = true})
  require("luatrain.sweep.study").open(store, spec.name, spec)
  if store.db.kind == "sqlite" then
    io.stderr:write("note: a study in a file is for elements on one machine; for several give --storage "
      .. "postgresql://...\n")
  end
  store:close()
  fs.mkdir(options.folder)
  local path = fs.join(options.folder, "slurm.sh")
  fs.write(path, script)
  local result = process.run({"sbatch", "--parsable", path}, {timeout = 60})
  if not result.ok then
    local said = (result.output or ""):gsub("%s+$", ""):gsub("%s*\n%s*", " ")
    failure.raise("run", "sbatch refused the job: %s", said)
  end
  print(("submitted job array %s: %d elements"):format(result.output:match "%d+" or "?", options.parallel))
  return 0
end

return slurm
