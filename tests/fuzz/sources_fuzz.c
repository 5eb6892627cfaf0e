// sources_fuzz: any bytes as a CSV, JSON, chord or MIDI file of a musician's data sets: good or wrong
// data, and never a mistake of the program; see sources.lua.
#include "host/host.h"
#include "luatrain.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/sources_fuzz_XXXXXX";
static lua_State *lua;

static void quit(void)
{
    if (luaL_dostring(lua, "lt.fs.remove_tree(fuzz_folder)") != 0) abort();
    lua_close(lua);
}

static void begin(void)
{
    lua = lt_host_open();
    if (!lua || !mkdtemp(folder)) abort();
    lua_pushstring(lua, folder);
    lua_setglobal(lua, "fuzz_folder");
    if (luaL_dostring(lua, "lt = require 'luatrain'; damaged = dofile 'tests/fuzz/sources.lua'") != 0) {
        fprintf(stderr, "%s\n", lua_tostring(lua, -1));
        abort();
    }
    atexit(quit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!lua) begin();
    lua_getglobal(lua, "damaged");
    lua_getfield(lua, -1, "fuzz");
    lua_pushstring(lua, folder);
    lua_pushlstring(lua, (const char *)data, size);
    if (lua_pcall(lua, 2, 0, 0) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(lua, -1));
        abort();
    }
    lua_pop(lua, 1);
    return 0;
}
