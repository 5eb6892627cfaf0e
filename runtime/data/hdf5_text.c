// hdf5_text: names, attributes and strings of HDF5 files.
#include "data/hdf5.h"

#include <stdio.h>

enum { MAX_VALUES = 1 << 24, STRINGS_AT_ONCE = 4096 };

// ---- growing text ------------------------------------------------------------------------------

typedef struct { char *text; size_t used, room; } list;

static bool add(list *l, const char *text, size_t n)
{
    if (l->used + n + 1 > l->room) {
        size_t room = 2 * (l->used + n) + 256;
        char *larger = realloc(l->text, room);
        if (!larger) return false;
        l->text = larger;
        l->room = room;
    }
    memcpy(l->text + l->used, text, n);
    l->used += n;
    l->text[l->used++] = 0;
    return true;
}

// Into a buffer that lt_buffer_release can free.
static lt_status to_buffer(lt_buffer *b, list *l)
{
    b->data = lt_alloc((int64_t)l->used + 1);
    if (b->data && l->used) memcpy(b->data, l->text, l->used);
    if (b->data) b->data[l->used] = 0;
    b->bytes = b->data ? (int64_t)l->used : 0;
    free(l->text);
    return b->data ? LT_OK : LT_ERR_MEMORY;
}

// ---- names -------------------------------------------------------------------------------------

static lt_status kind_of(int32_t *kind, lt_hdf5 *f, const char *name)
{
    char path[1024];
    *kind = LT_HDF5_NONE;
    while (*name == '/') name++;
    size_t n = strlen(name);
    if (n >= sizeof path) return LT_OK;
    for (size_t at = 0; at < n;) {
        size_t end = at + strcspn(name + at, "/");
        memcpy(path, name, end);
        path[end] = 0;
        H5L_info_t link;
        if (h5.H5Lexists(f->id, path, H5P_DEFAULT) <= 0) return LT_OK;
        if (h5.H5Lget_info(f->id, path, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_EXTERNAL)
            return *kind = LT_HDF5_LINK, LT_OK;
        at = end + strspn(name + end, "/");
    }
    hid_t id;
    H5O_info_t info;
    LT_TRY(hdf5_open_object(&id, f, name));
    bool good = h5.H5Oget_info2(id, &info, H5O_INFO_BASIC) >= 0;
    h5.H5Oclose(id);
    LT_REQUIRE(good, LT_ERR_FORMAT, "%s: '%s' is damaged", f->path, name);
    *kind = info.type == H5O_TYPE_GROUP ? LT_HDF5_GROUP
            : info.type == H5O_TYPE_DATASET ? LT_HDF5_SET : LT_HDF5_TYPE;
    return LT_OK;
}

lt_status lt_hdf5_kind(int32_t *kind, lt_hdf5 *f, const char *name)
{
    LT_TRY(hdf5_enter());
    lt_status status = kind_of(kind, f, name);
    hdf5_leave();
    return status;
}

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *info, void *names)
{
    (void)group, (void)info;
    return add(names, name, strlen(name)) ? 0 : -1;
}

lt_status lt_hdf5_keys(lt_buffer *names, lt_hdf5 *f, const char *group)
{
    list found = {NULL, 0, 0};
    hid_t id;
    *names = (lt_buffer){NULL, 0};
    LT_TRY(hdf5_enter());
    lt_status status = hdf5_open_object(&id, f, group);
    if (status == LT_OK) {
        if (h5.H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, NULL, add_name, &found) < 0)
            status = hdf5_fail(LT_ERR_FORMAT, "%s: '%s' is no group, or damaged", f->path, group);
        h5.H5Oclose(id);
    }
    hdf5_leave();
    if (status == LT_OK) return to_buffer(names, &found);
    free(found.text);
    return status;
}

// ---- strings -----------------------------------------------------------------------------------

// n strings of `width` bytes each, without the zeros (or blanks, as Fortran has them) at their end.
static bool add_fixed(list *l, const char *p, int64_t n, int64_t width, H5T_str_t pad)
{
    for (int64_t i = 0; i < n; i++, p += width) {
        size_t length = strnlen(p, (size_t)width);
        while (pad == H5T_STR_SPACEPAD && length && p[length - 1] == ' ') length--;
        if (!add(l, p, length)) return false;
    }
    return true;
}

static bool add_variable(list *l, char *const *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const char *text = p[i] ? p[i] : "";
        if (!add(l, text, strlen(text))) return false;
    }
    return true;
}

static lt_status read_strings(list *found, lt_hdf5_set *s, int64_t first, int64_t n)
{
    const int64_t width = s->variable ? (int64_t)sizeof(char *) : s->string_bytes;
    char *block = malloc((size_t)(n * width) + 1);
    LT_REQUIRE(block, LT_ERR_MEMORY, "%s: out of memory for %lld strings", s->file->path, (long long)n);
    hsize_t start = (hsize_t)first, count = (hsize_t)n;
    hid_t space = h5.H5Dget_space(s->id), memory = h5.H5Screate_simple(1, &count, NULL);
    bool good = s->scalar || h5.H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &count, NULL) >= 0;
    good = good && h5.H5Dread(s->id, s->memory_type, memory, space, H5P_DEFAULT, block) >= 0;
    lt_status status = LT_OK;
    if (!good) {
        status = hdf5_fail(LT_ERR_FORMAT, "%s: '%s': its strings cannot be read", s->file->path, s->name);
    } else {
        good = s->variable ? add_variable(found, (char *const *)block, n)
                           : add_fixed(found, block, n, width, h5.H5Tget_strpad(s->memory_type));
        if (!good) status = lt_fail(LT_ERR_MEMORY, "%s: out of memory for strings", s->file->path);
        if (s->variable) h5.H5Dvlen_reclaim(s->memory_type, memory, H5P_DEFAULT, block);
    }
    h5.H5Sclose(memory);
    h5.H5Sclose(space);
    free(block);
    return status;
}

lt_status lt_hdf5_strings(lt_buffer *text, lt_hdf5_set *s, int64_t first, int64_t n)
{
    const char *path = s->file->path;
    list found = {NULL, 0, 0};
    *text = (lt_buffer){NULL, 0};
    LT_REQUIRE(!s->problem[0], LT_ERR_FORMAT, "%s: data set '%s': %s", path, s->name, s->problem);
    LT_REQUIRE(s->kind == HDF5_STRINGS, LT_ERR_FORMAT, "%s: '%s' holds no strings", path, s->name);
    LT_REQUIRE(s->grid.ndim == 1, LT_ERR_FORMAT, "%s: '%s' has %d dimensions; lists of strings have one",
               path, s->name, s->grid.ndim);
    LT_REQUIRE(first >= 0 && n >= 0 && n <= s->grid.shape[0] - first, LT_ERR_ARGUMENT,
               "%s: strings %lld to %lld of '%s', it has %lld", path, (long long)first + 1,
               (long long)(first + n), s->name, (long long)s->grid.shape[0]);
    LT_REQUIRE(s->string_bytes <= 1 << 16, LT_ERR_FORMAT, "%s: '%s' has strings of %lld bytes", path, s->name,
               (long long)s->string_bytes);
    LT_TRY(hdf5_enter());
    lt_status status = LT_OK;
    for (int64_t at = 0, m; at < n && status == LT_OK; at += m) {
        m = n - at < STRINGS_AT_ONCE ? n - at : STRINGS_AT_ONCE;
        status = read_strings(&found, s, first + at, m);
    }
    hdf5_leave();
    if (status == LT_OK) return to_buffer(text, &found);
    free(found.text);
    return status;
}

// ---- attributes --------------------------------------------------------------------------------

void lt_hdf5_attribute_release(lt_hdf5_attribute *a)
{
    lt_buffer_release(&a->name);
    lt_buffer_release(&a->values);
}

static lt_status attribute_numbers(lt_hdf5_attribute *a, hid_t id)
{
    a->values.data = lt_alloc((a->count + 1) * (int64_t)sizeof(double));
    if (!a->values.data) return LT_ERR_MEMORY;
    a->values.bytes = a->count * (int64_t)sizeof(double);
    if (a->count && h5.H5Aread(id, h5.H5T_NATIVE_DOUBLE_g, a->values.data) < 0) a->kind = LT_HDF5_UNREADABLE;
    return LT_OK;
}

static lt_status attribute_booleans(lt_hdf5_attribute *a, hid_t id, hid_t type)
{
    a->values.data = lt_alloc((a->count + 1) * (int64_t)sizeof(double));
    int8_t *bytes = malloc((size_t)a->count + 1);
    if (!a->values.data || !bytes) {
        free(bytes);
        return lt_fail(LT_ERR_MEMORY, "hdf5: out of memory");
    }
    a->values.bytes = a->count * (int64_t)sizeof(double);
    if (a->count && h5.H5Aread(id, type, bytes) < 0) a->kind = LT_HDF5_UNREADABLE;
    for (int64_t i = 0; i < a->count && a->kind == LT_HDF5_BOOLEANS; i++)
        ((double *)a->values.data)[i] = bytes[i] != 0;
    free(bytes);
    return LT_OK;
}

static lt_status attribute_texts(lt_hdf5_attribute *a, hid_t id, hid_t type, hid_t space)
{
    const bool variable = h5.H5Tis_variable_str(type) > 0;
    const int64_t width = variable ? (int64_t)sizeof(char *) : (int64_t)h5.H5Tget_size(type);
    list found = {NULL, 0, 0};
    if (width * a->count > MAX_VALUES) {
        a->kind = LT_HDF5_UNREADABLE;
        return LT_OK;
    }
    char *block = calloc(1, (size_t)(width * a->count) + 1);
    bool good = block != NULL;
    if (good && a->count && h5.H5Aread(id, type, block) < 0) {
        a->kind = LT_HDF5_UNREADABLE;
    } else if (good) {
        good = variable ? add_variable(&found, (char *const *)block, a->count)
                        : add_fixed(&found, block, a->count, width, h5.H5Tget_strpad(type));
        if (variable) h5.H5Dvlen_reclaim(type, space, H5P_DEFAULT, block);
    }
    free(block);
    if (good) return to_buffer(&a->values, &found);
    free(found.text);
    return lt_fail(LT_ERR_MEMORY, "hdf5: out of memory");
}

static lt_status attribute_values(lt_hdf5_attribute *a, hid_t id)
{
    hid_t type = h5.H5Aget_type(id), space = h5.H5Aget_space(id);
    hssize_t count = space < 0 ? -1 : h5.H5Sget_simple_extent_npoints(space);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : h5.H5Tget_class(type);
    a->scalar = space >= 0 && h5.H5Sget_simple_extent_type(space) == H5S_SCALAR;
    a->kind = class == H5T_INTEGER || class == H5T_FLOAT ? LT_HDF5_NUMBERS
              : class == H5T_STRING ? LT_HDF5_TEXTS
              : class == H5T_ENUM && h5.H5Tget_size(type) == 1 ? LT_HDF5_BOOLEANS : LT_HDF5_UNREADABLE;
    if (count < 0 || count > MAX_VALUES) a->kind = LT_HDF5_UNREADABLE;
    a->count = a->kind == LT_HDF5_UNREADABLE ? 0 : (int64_t)count;
    lt_status status = LT_OK;
    if (a->kind == LT_HDF5_NUMBERS) status = attribute_numbers(a, id);
    else if (a->kind == LT_HDF5_BOOLEANS) status = attribute_booleans(a, id, type);
    else if (a->kind == LT_HDF5_TEXTS) status = attribute_texts(a, id, type, space);
    if (type >= 0) h5.H5Tclose(type);
    if (space >= 0) h5.H5Sclose(space);
    return status;
}

static lt_status attribute_get(lt_hdf5_attribute *a, lt_hdf5 *f, hid_t object, const char *name,
                               int64_t index)
{
    int n = h5.H5Aget_num_attrs(object);
    if (n < 0) return hdf5_fail(LT_ERR_FORMAT, "%s: the attributes of '%s' are damaged", f->path, name);
    if (index >= n) return lt_fail(LT_ERR_END, "no attribute %lld", (long long)index);
    hid_t id = h5.H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, (hsize_t)index, H5P_DEFAULT,
                                 H5P_DEFAULT);
    if (id < 0) return hdf5_fail(LT_ERR_FORMAT, "%s: an attribute of '%s' is damaged", f->path, name);
    ssize_t length = h5.H5Aget_name(id, 0, NULL);
    a->name.data = length >= 0 && length < 1 << 20 ? lt_alloc(length + 1) : NULL;
    lt_status status = a->name.data ? LT_OK : lt_fail(LT_ERR_FORMAT, "%s: an attribute of '%s' has no name",
                                                      f->path, name);
    if (status == LT_OK) {
        a->name.bytes = length;
        h5.H5Aget_name(id, (size_t)length + 1, a->name.data);
        status = attribute_values(a, id);
    }
    h5.H5Aclose(id);
    return status;
}

lt_status lt_hdf5_attribute_get(lt_hdf5_attribute *a, lt_hdf5 *f, const char *name, int64_t index)
{
    hid_t object;
    *a = (lt_hdf5_attribute){{NULL, 0}, {NULL, 0}, 0, 0, 0};
    LT_TRY(hdf5_enter());
    lt_status status = hdf5_open_object(&object, f, name);
    if (status == LT_OK) {
        status = attribute_get(a, f, object, name, index);
        h5.H5Oclose(object);
    }
    hdf5_leave();
    if (status != LT_OK) lt_hdf5_attribute_release(a);
    return status;
}
