// describe: a plugin's control inputs as JSON, for luatrain to make a registry of.
#include "host.h"

#include <lv2/port-groups/port-groups.h>
#include <lv2/port-props/port-props.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_text(const char *text)
{
    putchar('"');
    for (; text && *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') printf("\\%c", c);
        else if (c < 0x20) printf("\\u%04x", c);
        else putchar(c);
    }
    putchar('"');
}

static void print_node(const char *key, LilvNode *node)
{
    printf(", \"%s\": ", key);
    print_text(node ? lilv_node_as_string(node) : "");
    lilv_node_free(node);
}

static void print_number(const char *key, float value)
{
    printf(", \"%s\": %.9g", key, isfinite(value) ? value : 0.0);
}

static bool has(host *h, const LilvPort *port, const char *property)
{
    LilvNode *node = lilv_new_uri(h->world, property);
    bool found = lilv_port_has_property(h->plugin, port, node);
    lilv_node_free(node);
    return found;
}

static bool is_a(host *h, const LilvPort *port, const char *class)
{
    LilvNode *node = lilv_new_uri(h->world, class);
    bool found = lilv_port_is_a(h->plugin, port, node);
    lilv_node_free(node);
    return found;
}

// The object of the port's statement, as text; "" where there is none.
static void print_statement(host *h, const LilvPort *port, const char *key, const char *predicate)
{
    LilvNode *node = lilv_new_uri(h->world, predicate);
    print_node(key, lilv_port_get(h->plugin, port, node));
    lilv_node_free(node);
}

static void print_points(host *h, const LilvPort *port)
{
    printf(", \"points\": [");
    LilvScalePoints *points = lilv_port_get_scale_points(h->plugin, port);
    bool first = true;
    LILV_FOREACH (scale_points, i, points) {
        const LilvScalePoint *p = lilv_scale_points_get(points, i);
        printf("%s{\"value\": %.9g, \"label\": ", first ? "" : ", ",
               lilv_node_as_float(lilv_scale_point_get_value(p)));
        print_text(lilv_node_as_string(lilv_scale_point_get_label(p)));
        putchar('}');
        first = false;
    }
    lilv_scale_points_free(points);
    putchar(']');
}

static void print_flags(host *h, const LilvPort *port)
{
    static const struct { const char *key, *uri; } flags[] = {
        {"toggled", LV2_CORE__toggled}, {"integer", LV2_CORE__integer},
        {"enumeration", LV2_CORE__enumeration}, {"sample_rate", LV2_CORE__sampleRate},
        {"logarithmic", LV2_PORT_PROPS__logarithmic}, {"trigger", LV2_PORT_PROPS__trigger}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        printf(", \"%s\": %s", flags[i].key, has(h, port, flags[i].uri) ? "true" : "false");
}

void host_describe(host *h)
{
    LilvNode *name = lilv_plugin_get_name(h->plugin);
    uint32_t count = lilv_plugin_get_num_ports(h->plugin), outputs = 0;
    bool first = true;
    printf("{\"name\": ");
    print_text(name ? lilv_node_as_string(name) : "");
    lilv_node_free(name);
    printf(", \"ports\": [");
    for (uint32_t i = 0; i < count; i++) {
        const LilvPort *port = lilv_plugin_get_port_by_index(h->plugin, i);
        outputs += is_a(h, port, LILV_URI_AUDIO_PORT) && is_a(h, port, LILV_URI_OUTPUT_PORT);
        if (!is_a(h, port, LILV_URI_CONTROL_PORT) || !is_a(h, port, LILV_URI_INPUT_PORT)) continue;
        LilvNode *standard = NULL, *least = NULL, *most = NULL;
        lilv_port_get_range(h->plugin, port, &standard, &least, &most);
        printf("%s\n{\"port\": %u", first ? "" : ",", i);
        first = false;
        printf(", \"symbol\": ");
        print_text(lilv_node_as_string(lilv_port_get_symbol(h->plugin, port)));
        print_node("name", lilv_port_get_name(h->plugin, port));
        print_statement(h, port, "designation", LV2_CORE__designation);
        print_statement(h, port, "group", LV2_PORT_GROUPS__group);
        print_number("minimum", least ? lilv_node_as_float(least) : 0);
        print_number("maximum", most ? lilv_node_as_float(most) : 1);
        print_number("default", standard ? lilv_node_as_float(standard) : 0);
        print_flags(h, port);
        print_points(h, port);
        putchar('}');
        lilv_node_free(standard), lilv_node_free(least), lilv_node_free(most);
    }
    printf("],\n\"outputs\": %u}\n", outputs);
}
