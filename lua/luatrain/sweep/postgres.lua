--- A database on a server: PostgreSQL through FFI, loaded when a study is first opened by URL.
--
--   local db = require("luatrain.sweep.postgres").open "postgresql://user@host/name"
--
-- The same methods as luatrain.sweep.sqlite. A password is best left to PGPASSWORD or ~/.pgpass. Where the
-- server restarts, transactions are tried again for a minute (see luatrain.sweep.storage).
local ffi = require "ffi"
local failure = require "luatrain.failure"
local library = require "luatrain.sweep.library"

local postgres = {}

ffi.cdef [[
typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;
PGconn *PQconnectdb(const char *info);
void PQfinish(PGconn *conn);
int PQstatus(const PGconn *conn);
int PQtransactionStatus(const PGconn *conn);
char *PQerrorMessage(const PGconn *conn);
PGresult *PQexecParams(PGconn *conn, const char *command, int n, const unsigned *types,
  const char *const *values, const int *lengths, const int *formats, int result_format);
int PQresultStatus(const PGresult *res);
char *PQresultErrorMessage(const PGresult *res);
char *PQresultErrorField(const PGresult *res, int field);
int PQntuples(const PGresult *res);
int PQnfields(const PGresult *res);
unsigned PQftype(const PGresult *res, int field);
char *PQgetvalue(const PGresult *res, int row, int field);
int PQgetlength(const PGresult *res, int row, int field);
int PQgetisnull(const PGresult *res, int row, int field);
char *PQcmdTuples(PGresult *res);
void PQclear(PGresult *res);
void *PQsetNoticeProcessor(PGconn *conn, void (*f)(void *, const char *), void *argument);
int getpid(void);
]]

local COMMAND_OK, TUPLES_OK = 1, 2
local IDLE = 0
local SQLSTATE = string.byte "C"
local NUMBERS = {[20] = true, [21] = true, [23] = true, [700] = true, [701] = true, [1700] = true}

local C = library.on_demand({"libpq.so.5", "pq"},
  "a study on a server needs PostgreSQL's client library, which is not installed (package libpq5)")

--- True where the library is installed.
function postgres.available() return (pcall(C)) end

--- Whether a text names a PostgreSQL database.
function postgres.is_url(text) return text:find "^postgres://" ~= nil or text:find "^postgresql://" ~= nil end

local Database = {kind = "postgres"}
Database.__index = Database

-- The URL without its password, for messages.
local function shown(url) return (url:gsub("^(%w+://[^/:@]*):[^@]*@", "%1@")) end

local function one_line(text) return (ffi.string(text):gsub("%s+$", ""):gsub("%s*\n%s*", " ")) end

local function connect(self)
  local conn = C().PQconnectdb(self.url)
  if C().PQstatus(conn) ~= 0 then
    local text = one_line(C().PQerrorMessage(conn))
    C().PQfinish(conn)
    failure.raise("io", "%s: %s", self.path, text)
  end
  self.conn = ffi.gc(conn, C().PQfinish)
  -- Notices would go to standard error. C may not call Lua, but any C function that ignores its arguments and
  -- does nothing will do.
  C().PQsetNoticeProcessor(conn, ffi.cast("void (*)(void *, const char *)", ffi.C.getpid), nil)
end

-- SQLite's ? are PostgreSQL's $1, $2, ...
local translated = {}
local function translate(sql)
  if not translated[sql] then
    local n = 0
    translated[sql] = sql:gsub("%?", function()
      n = n + 1
      return "$" .. n
    end)
  end
  return translated[sql]
end

local function value_text(value)
  if type(value) ~= "number" then return value end
  if value % 1 == 0 and math.abs(value) < 2 ^ 53 then return ("%.0f"):format(value) end
  return ("%.17g"):format(value)
end

local function rows_of(result)
  local lib = C()
  local rows, columns, types = {}, lib.PQnfields(result), {}
  for k = 1, columns do types[k] = NUMBERS[lib.PQftype(result, k - 1)] end
  for i = 1, lib.PQntuples(result) do
    local row = {}
    for k = 1, columns do
      if lib.PQgetisnull(result, i - 1, k - 1) == 0 then
        local text = ffi.string(lib.PQgetvalue(result, i - 1, k - 1), lib.PQgetlength(result, i - 1, k - 1))
        row[k] = types[k] and tonumber(text) or text
      end
    end
    rows[i] = row
  end
  return rows
end

local function fail(self, result)
  local state = C().PQresultErrorField(result, SQLSTATE)
  -- Errors without a state come from this side: the connection is gone, whatever PQstatus still says.
  self.state = state ~= nil and ffi.string(state) or "08000"
  local text = one_line(C().PQresultErrorMessage(result)):gsub("^ERROR:%s*", "")
  C().PQclear(result)
  failure.raise("io", "%s: %s", self.path, self.state == "53100" and "the server's disk is full" or text)
end

--- See luatrain.sweep.sqlite.
function Database:query(sql, ...)
  local lib = C()
  if not self.conn then connect(self) end
  self.state = nil
  local n = select("#", ...)
  local values, kept = ffi.new("const char *[?]", math.max(n, 1)), {}
  for i = 1, n do
    kept[i] = value_text((select(i, ...))) or false
    values[i - 1] = kept[i] or nil
  end
  local result = lib.PQexecParams(self.conn, translate(sql), n, nil, values, nil, nil, 0)
  kept[1] = kept[1] or false  -- keeps the texts alive until here
  local status = lib.PQresultStatus(result)
  if status ~= COMMAND_OK and status ~= TUPLES_OK then fail(self, result) end
  local rows, changed = rows_of(result), tonumber(ffi.string(lib.PQcmdTuples(result))) or 0
  lib.PQclear(result)
  return rows, changed
end

function Database:begin() self:query "BEGIN" end
function Database:commit() self:query "COMMIT" end

function Database:rollback()
  local state = self.state
  if self.conn and C().PQtransactionStatus(self.conn) ~= IDLE then pcall(self.query, self, "ROLLBACK") end
  self.state = state
end

--- Whether the last query failed because the connection is gone (classes 08 and 57P: the server restarts), or
-- the transaction collided with another (40): all may be well when it is tried again.
function Database:lost_connection()
  local state = self.state or ""
  local gone = state:match "^08" or state:match "^57P"
  if self.conn and (gone or C().PQstatus(self.conn) ~= 0) then self:close() end
  return not self.conn or state:match "^40" ~= nil
end

--- Seconds since 1970 by the server's clock, so that machines need not agree on the time.
function Database:now() return self:query("SELECT extract(epoch FROM clock_timestamp())::float8")[1][1] end

function Database:close()
  if not self.conn then return end
  C().PQfinish(ffi.gc(self.conn, nil))
  self.conn = nil
end

--- Opens a database by URL.
function postgres.open(url)
  local self = setmetatable({url = url, path = shown(url)}, Database)
  connect(self)
  return self
end

return postgres
