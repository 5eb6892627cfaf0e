--- Completion in bash, zsh and fish. The scripts only ask the program, which answers from the same table of
-- commands as --help and from the recipes' settings:
--
--   luatrain completion --answer -- run chord train --sched
--
-- prints one candidate a line (behind a tab what it is); the last word is the one to be completed. A last
-- line ":files" or ":folders" says that names of files, or of folders, fit too.
local commands = require "luatrain.cli.commands"
local failure = require "luatrain.failure"

local completion = {}

-- ---- candidates ---------------------------------------------------------------------------------

local function starts(text, with) return text:sub(1, #with) == with end

-- Adds a candidate where it continues the word.
local function offer(answer, text, about)
  if starts(text, answer.word) and not answer.seen[text] then
    answer.seen[text] = true
    answer[#answer + 1] = about and about ~= "" and text .. "\t" .. about:gsub("%s+", " "):sub(1, 70) or text
  end
end

local kinds = {}

function kinds.file(answer) answer.files = ":files" end

function kinds.folder(answer) answer.files = ":folders" end

function kinds.recipe(answer)
  local recipes = require "luatrain.recipe"
  local names, paths = recipes.list()
  for _, name in ipairs(names) do
    local ok, recipe = pcall(recipes.load, paths[name])
    offer(answer, name, ok and recipe.source.summary or nil)
  end
  answer.files = ":files"
end

local function recipe_of(answer)
  local ok, recipe = pcall(require("luatrain.recipe").load, answer.arguments[1])
  return ok and recipe or nil
end

function kinds.recipe_command(answer)
  local recipe = recipe_of(answer)
  if not recipe then return end
  for _, one in ipairs(require("luatrain.cli.run").commands_of(recipe)) do
    offer(answer, one.name, one.help)
  end
end

function kinds.topic(answer)
  for _, name in ipairs(commands.names()) do offer(answer, name) end
  for _, name in ipairs(require("luatrain.doc").names()) do
    offer(answer, name)
    if not starts(answer.word, "lt.") then offer(answer, (name:gsub("^lt%.", ""))) end
  end
end

-- ---- settings of a recipe's command ---------------------------------------------------------------

local function dashed(name) return "--" .. name:gsub("_", "-") end

-- Every flag that sets a field: {flag, the field, whether a value follows}.
local function flags_of(field)
  local list = {}
  local aliases = type(field.alias) == "table" and field.alias or { field.alias }
  for _, name in ipairs { field.name, unpack(aliases) } do
    list[#list + 1] = { dashed(name), field, field.kind ~= "flag" }
    if field.kind == "flag" then list[#list + 1] = { "--no-" .. name:gsub("_", "-"), field, false } end
  end
  for name, choices in pairs(field.switch or {}) do
    list[#list + 1] = { dashed(name), field, false, choices[1] }
    list[#list + 1] = { "--no-" .. name:gsub("_", "-"), field, false, choices[2] }
  end
  if field.short then list[#list + 1] = { "-" .. field.short, field, true } end
  return list
end

local function values(answer, field, before)
  if field.kind == "choice" then
    for _, choice in ipairs(field.choices) do offer(answer, before .. tostring(choice)) end
  elseif field.kind == "flag" then
    for _, word in ipairs { "true", "false" } do offer(answer, before .. word) end
  elseif field.kind == "string" then
    answer.files = ":files"
  end
end

-- Flags of a list of fields, and their values.
local function settings(answer, fields)
  local flags = {}
  for _, field in ipairs(fields or {}) do
    for _, flag in ipairs(flags_of(field)) do flags[#flags + 1] = flag end
  end
  local name = answer.word:match "^(%-%-[^=]+)="
  for _, flag in ipairs(flags) do
    if flag[1] == answer.previous and flag[3] then return values(answer, flag[2], "") end
    if flag[1] == name then return values(answer, flag[2], name .. "=") end
  end
  if not starts(answer.word, "-") then answer.files = ":files" end
  if starts(answer.word, "-") or answer.word == "" then
    for _, flag in ipairs(flags) do offer(answer, flag[1], flag[4] or flag[2].help) end
    offer(answer, "--help", "list the settings")
  end
end

function kinds.setting(answer)
  local recipe = recipe_of(answer)
  settings(answer, recipe and require("luatrain.cli.run").fields_of(recipe, answer.arguments[2]))
end

function kinds.sweep_command(answer)
  for _, one in ipairs(require("luatrain.cli.sweep").commands()) do offer(answer, one.name, one.help) end
end

function kinds.sweep_setting(answer)
  settings(answer, require("luatrain.cli.sweep").fields_of(answer.arguments[2]))
end

-- ---- words --------------------------------------------------------------------------------------

-- The words that are no flags and no values of flags.
local function arguments_of(words, command)
  local takes, list = {}, {}
  for _, option in ipairs(command.options or {}) do takes[option[1]] = option[3] end
  local value = false
  for i = 2, #words - 1 do
    local word = words[i]
    if value then
      value = false
    elseif starts(word, "-") and #word > 1 then
      value = takes[word] ~= nil
    else
      list[#list + 1] = word
    end
  end
  return list, value
end

local function of_kind(answer, kind)
  if type(kind) == "table" then
    for _, word in ipairs(kind) do offer(answer, word) end
  elseif kinds[kind] then
    kinds[kind](answer)
  end
end

local function first_word(answer)
  for _, command in ipairs(commands.list) do
    if command.name then offer(answer, command.name, command.usage[1][2]) end
  end
  for _, flag in ipairs { { "--help", "all commands" }, { "--version", "version and build" },
    { "--debug", "add the traceback to an error" }, { "-e", "run a piece of Lua" } } do
    if starts(answer.word, "-") then offer(answer, unpack(flag)) end
  end
  if not starts(answer.word, "-") then answer.files = ":files" end
end

--- The candidates for the last of the words behind the program's name: a list of lines, and ":files",
-- ":folders" or nil.
function completion.answer(words)
  while words[1] == "--debug" and #words > 1 do table.remove(words, 1) end
  local answer = { word = words[#words] or "", previous = words[#words - 1], seen = {} }
  local command = #words > 1 and commands.find(words[1])
  if #words <= 1 then
    first_word(answer)
  elseif not command then
    answer.files = ":files"
  else
    local is_value
    answer.arguments, is_value = arguments_of(words, command)
    for _, option in ipairs(command.options or {}) do
      if is_value and option[1] == answer.previous then
        of_kind(answer, option[3])
        return answer, answer.files
      end
      if starts(answer.word, "-") then offer(answer, option[1], option[2]) end
    end
    local kind_list = command.words or {}
    of_kind(answer, kind_list[math.min(#answer.arguments + 1, #kind_list)])
    if starts(answer.word, "-") then offer(answer, "--help", "what the command does") end
  end
  return answer, answer.files
end

-- ---- the scripts --------------------------------------------------------------------------------

local scripts = {}

scripts.bash = [==[
# Completion of luatrain for bash, made by: luatrain completion bash
_luatrain() {
    local program=${COMP_WORDS[0]/#\~/$HOME} words=() word line files= i
    # bash takes words apart at = and : ; here they are whole.
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((${#words[@]} > 0)) && [[ $word == [=:] || ${COMP_WORDS[i - 1]} == [=:] ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
    done
    local current=${words[${#words[@]} - 1]} own=${COMP_WORDS[COMP_CWORD]}
    [[ $own == [=:] ]] && own=
    local before=${current%"$own"}
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
        :files | :folders) files=$line ;;
        ?*) line=${line%%$'\t'*} && COMPREPLY+=("${line#"$before"}") ;;
        esac
    done < <("$program" completion --answer -- "${words[@]}" 2>/dev/null)
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        local kind=-f
        [[ $files == :folders ]] && kind=-d
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$kind" -- "$own")
    fi
}
complete -F _luatrain luatrain]==]

scripts.zsh = [==[
#compdef luatrain
# Completion of luatrain for zsh, made by: luatrain completion zsh
_luatrain() {
    local line files program=${words[1]/#\~/$HOME}
    local -a described answers
    answers=("${(@f)$("$program" completion --answer -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${answers[@]}"; do
        case $line in
        :files | :folders) files=$line ;;
        *$'\t'*) described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        ?*) described+=("${line//:/\\:}") ;;
        esac
    done
    (( $#described )) && _describe -t candidates luatrain described
    if [[ -n $files ]]; then
        compset -P '--*='
        if [[ $files == :folders ]]; then _files -/; else _files; fi
    fi
}
if [[ ${funcstack[1]} == _luatrain ]]; then _luatrain "$@"; else compdef _luatrain luatrain; fi]==]

scripts.fish = [==[
# Completion of luatrain for fish, made by: luatrain completion fish
function __luatrain_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    test (count $current) -eq 0; and set current ''
    set -l program (string replace -r '^~' $HOME -- $words[1])
    for line in ($program completion --answer -- $words[2..-1] $current 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path $current
            case ':folders'
                __fish_complete_directories $current
            case '*'
                printf '%s\n' $line
        end
    end
end
complete -c luatrain -f -a '(__luatrain_complete)']==]

--- The script for a shell: "bash", "zsh" or "fish".
function completion.script(shell)
  if not scripts[shell] then
    failure.raise("usage", "completion: no shell '%s'; there are bash, zsh and fish", tostring(shell))
  end
  return scripts[shell]
end

--- Runs the words behind `luatrain completion`.
function completion.main(args)
  if args[1] == "--answer" then
    local words = {}
    for i = args[2] == "--" and 3 or 2, #args do words[#words + 1] = args[i] end
    local list, files = completion.answer(words)
    if #list > 0 then print(table.concat(list, "\n")) end
    if files then print(files) end
    return 0
  end
  if not args[1] then
    failure.raise("usage", "completion: name a shell: bash, zsh or fish; see luatrain completion --help")
  elseif args[2] then
    failure.raise("usage", "completion: unexpected argument '%s'", args[2])
  end
  print(completion.script(args[1]))
  return 0
end

return completion
