--- Files and directories: whole reads, atomic writes, listings.
-- Every failure raises an error that names the path and the operating system's reason.
local ffi = require "ffi"
local core = require "luatrain.core"
local C, check = core.C, core.check

local fs = {}

local MAX_BYTES = 1024 * 1024 * 1024

--- Reads a whole file.
-- @param path      name of the file
-- @param max_bytes refuse a larger file (default 1 GiB)
-- @return its content as a string
function fs.read(path, max_bytes)
  local buffer = ffi.new "lt_buffer"
  check(C.lt_file_read(buffer, path, max_bytes or MAX_BYTES))
  local text = ffi.string(buffer.data, buffer.bytes)
  C.lt_buffer_release(buffer)
  return text
end

--- Replaces or creates a file at once: a reader sees the old content or the new, never a part, also
-- when the process is killed or the disk is full; after an error the old file is untouched.
-- @param path name of the file
-- @param text its new content
function fs.write(path, text)
  check(C.lt_file_write(path, text, #text))
end

local Writer = {}
Writer.__index = Writer

--- Opens an atomic writer for content made in pieces. `writer:write(text)` adds;
-- `writer:commit()` puts the file in place; `writer:abort()` leaves everything as it was.
-- @usage local w = fs.writer "table.csv"; w:write "a,b\n"; w:commit()
function fs.writer(path)
  local out = ffi.new "lt_writer *[1]"
  check(C.lt_writer_open(out, path))
  return setmetatable({ handle = ffi.gc(out[0], C.lt_writer_abort), path = path }, Writer)
end

local function take_handle(self)
  local handle = self.handle
  if handle == nil then core.fail("%s: this writer has been closed", self.path) end
  self.handle = nil
  return ffi.gc(handle, nil)
end

function Writer:write(text)
  if self.handle == nil then core.fail("%s: this writer has been closed", self.path) end
  check(C.lt_writer_write(self.handle, text, #text))
  return self
end

function Writer:commit()
  check(C.lt_writer_commit(take_handle(self)))
end

function Writer:abort()
  if self.handle ~= nil then C.lt_writer_abort(take_handle(self)) end
end

local KINDS = { [0] = false, "file", "directory", "other" }

--- Describes what a name leads to.
-- @return nil where there is nothing; else {kind = "file" | "directory" | "other", bytes, modified
--   (seconds since 1970), is_link}
function fs.stat(path)
  local info = ffi.new "lt_file_info"
  check(C.lt_file_stat(info, path))
  local kind = KINDS[info.kind]
  if not kind and info.is_link == 0 then return nil end
  return { kind = kind or "dangling", bytes = tonumber(info.bytes), modified = info.modified,
    is_link = info.is_link ~= 0 }
end

--- True where the name leads to something (a dangling link does not).
function fs.exists(path)
  local info = fs.stat(path)
  return info ~= nil and info.kind ~= "dangling"
end

--- True for a directory.
function fs.is_dir(path)
  local info = fs.stat(path)
  return info ~= nil and info.kind == "directory"
end

--- True for a regular file.
function fs.is_file(path)
  local info = fs.stat(path)
  return info ~= nil and info.kind == "file"
end

--- Makes a directory and its parents; one that exists is fine.
-- @return path
function fs.mkdir(path)
  check(C.lt_dir_make(path))
  return path
end

--- Names in a directory, without "." and "..", in byte order.
function fs.list(path)
  local buffer = ffi.new "lt_buffer"
  check(C.lt_dir_list(buffer, path))
  local text = ffi.string(buffer.data, buffer.bytes)
  C.lt_buffer_release(buffer)
  local names = {}
  for name in text:gmatch "%Z+" do names[#names + 1] = name end
  return names
end

--- All files below a directory, as paths that begin with it, in byte order of each directory.
-- Hidden names (a leading dot) are passed over; links to directories are not followed.
-- @param path    where to begin
-- @param pattern Lua pattern the lower-case file name must match, such as "%.midi?$" (optional)
function fs.find(path, pattern)
  local found = {}
  local function visit(directory)
    for _, name in ipairs(fs.list(directory)) do
      if name:sub(1, 1) ~= "." then
        local full = fs.join(directory, name)
        local info = fs.stat(full)
        if info and info.kind == "directory" and not info.is_link then
          visit(full)
        elseif info and info.kind == "file" and (not pattern or name:lower():find(pattern)) then
          found[#found + 1] = full
        end
      end
    end
  end
  visit(path)
  return found
end

--- Removes a file or an empty directory; nothing by that name is fine.
function fs.remove(path)
  check(C.lt_file_remove(path))
end

--- Removes a directory with all it holds; links in it are removed, not followed.
function fs.remove_tree(path)
  local info = fs.stat(path)
  if info and info.kind == "directory" and not info.is_link then
    for _, name in ipairs(fs.list(path)) do fs.remove_tree(fs.join(path, name)) end
  end
  fs.remove(path)
end

--- Renames a file durably: it is on the disk, and in its place, when this returns.
function fs.rename(from, to)
  check(C.lt_file_rename(from, to))
end

--- A fresh name for a temporary file beside `path`, for programs that write files themselves: rename
-- it to path with fs.rename when it is whole. fs.clean knows such names.
function fs.temporary_name(path)
  local buffer = ffi.new "lt_buffer"
  check(C.lt_file_temporary(buffer, path))
  local name = ffi.string(buffer.data, buffer.bytes)
  C.lt_buffer_release(buffer)
  return name
end

--- Removes the temporary files that killed processes of this machine left in a directory.
-- @return how many
function fs.clean(path)
  local removed = ffi.new "int32_t[1]"
  check(C.lt_dir_clean(removed, path))
  return removed[0]
end

--- Takes the lock that a file stands for (it is made where it is missing), until lock:release() or the
-- end of the process, however it ends.
-- @return the lock; or nil and the number of the process that holds it (-1 where unknown); or nil and 0
--   where the file system has no locks
function fs.lock(path)
  local out, holder = ffi.new "lt_lock *[1]", ffi.new "int32_t[1]"
  check(C.lt_lock_open(out, holder, path))
  if out[0] == nil then return nil, holder[0] end
  local handle = ffi.gc(out[0], C.lt_lock_close)
  return {release = function()
    if handle == nil then return end
    C.lt_lock_close(ffi.gc(handle, nil))
    handle = nil
  end}
end

--- Joins parts of a path with "/"; an absolute part begins anew; empty parts are passed over.
function fs.join(...)
  local path = ""
  for i = 1, select("#", ...) do
    local part = tostring((select(i, ...)))
    if part:sub(1, 1) == "/" or path == "" then
      path = part
    elseif part ~= "" then
      path = path:sub(-1) == "/" and path .. part or path .. "/" .. part
    end
  end
  return path
end

--- The part of a path before its last name: "a/b.mid" gives "a", "b.mid" gives ".".
function fs.dirname(path)
  local directory = path:match "^(.*)/[^/]*$"
  if not directory then return "." end
  return directory == "" and "/" or directory
end

--- The last name of a path: "a/b.mid" gives "b.mid".
function fs.basename(path)
  return path:match "([^/]*)/*$"
end

--- The last name without its extension: "a/b.mid" gives "b".
function fs.stem(path)
  local name = fs.basename(path)
  return name:match "^(.+)%.[^.]*$" or name
end

--- The extension in lower case without its dot: "a/B.MID" gives "mid"; "" where there is none.
function fs.extension(path)
  return (fs.basename(path):match "^.+%.([^.]*)$" or ""):lower()
end

--- A fresh directory for passing use, below $TMPDIR or /tmp. Remove it with fs.remove_tree.
function fs.temporary_directory()
  local base = os.getenv "TMPDIR" or "/tmp"
  local clock = string.format("%.0f", C.lt_clock() * 1e6)
  for attempt = 1, 100 do
    local path = fs.join(base, string.format("luatrain-%d-%s-%d", C.lt_getpid(), clock, attempt))
    if not fs.exists(path) then return fs.mkdir(path) end
  end
  core.fail("cannot make a temporary directory below %s", base)
end

return fs
