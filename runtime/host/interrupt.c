// interrupt: SIGINT into Lua: the interpreter raises "interrupted" before its next instruction.
#include "core/internal.h"
#include "host/host.h"

#include <lauxlib.h>

static lua_State *state;

static void stop(lua_State *L, lua_Debug *where)
{
    (void)where;
    lua_sethook(L, NULL, 0, 0);
    if (!lt_interrupt_take()) return;  // an op or a loop has told it already
    lua_pushliteral(L, "interrupted");
    lua_error(L);
}

// In the signal's handler, in the thread that runs the state: LuaJIT allows lua_sethook there.
static void set_hook(void)
{
    lua_sethook(state, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

void lt_host_interruptible(lua_State *L)
{
    state = L;
    lt_on_interrupt = set_hook;
}
