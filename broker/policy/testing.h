// A configuration in a folder of its own, for the tests of policy and of what is loaded upon it.
#pragma once

#include "broker/policy/policy.h"
#include "core/config/testing.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
    char folder[64];
};

static inline void tree_write(const struct tree *tree, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", tree->folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        abort();
    fputs(text, file);
    fclose(file);
}

#define TREE_BROKER                                                                                          \
    "listen: tcp://127.0.0.1:7400\ncurve: false\ncatalogue: " HUTONG_BUILD_DIR "/catalogue.binpb\n"

static const char *const tree_folders[] = {"agencies", "agreements", "routes", "codes", "keys"};

// Two agencies, a system each, and an agreement; no routes.
static inline void tree_make(struct tree *tree) {
    strcpy(tree->folder, "/tmp/hutong-policy-XXXXXX");
    assert_non_null(mkdtemp(tree->folder));
    for (size_t i = 0; i < sizeof tree_folders / sizeof tree_folders[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", tree->folder, tree_folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    tree_write(tree, "broker.yaml", TREE_BROKER);
    tree_write(tree, "agencies/housing.yaml",
        "agency: housing\ntitle: 住房\nsystems:\n  - { name: tenancy, title: 租赁 }\n  - { name: registry, "
        "title: 登记 }\n");
    tree_write(tree, "agencies/public_security.yaml",
        "agency: public_security\ntitle: 公安\nsystems:\n  - { name: population, title: 人口 }\n");
    tree_write(tree, "agreements/a.yaml",
        "agreement: A-1\nprovider: public_security/population\nreceiver: housing/tenancy\n"
        "type: gov.housing.v1.OccupancyNotice\nfields: [citizen_number, unit_code, relation, since]\n"
        "purpose: p\nbasis: b\nfrom: 2020-01-01\nuntil: 2099-12-31\n");
}

static inline void tree_remove(const struct tree *tree) {
    char path[700];
    for (size_t i = 0; i < sizeof tree_folders / sizeof tree_folders[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", tree->folder, tree_folders[i]);
        DIR *folder = opendir(path);
        for (const struct dirent *entry; folder && (entry = readdir(folder));) {
            snprintf(path, sizeof path, "%s/%s/%s", tree->folder, tree_folders[i], entry->d_name);
            unlink(path);
        }
        if (folder)
            closedir(folder);
        snprintf(path, sizeof path, "%s/%s", tree->folder, tree_folders[i]);
        rmdir(path);
    }
    snprintf(path, sizeof path, "%s/broker.yaml", tree->folder);
    unlink(path);
    rmdir(tree->folder);
}

static inline struct policy *tree_load(const struct tree *tree, struct report *report) {
    char path[128];
    snprintf(path, sizeof path, "%s/broker.yaml", tree->folder);
    return policy_load(path, report);
}

// The report, with the tree's folder written as "." (kept until the next call).
static inline const char *tree_printed(const struct tree *tree, const struct report *report) {
    static char out[65536];
    const char *from = printed(report);
    size_t size = strlen(tree->folder);
    size_t used = 0;
    while (*from && used + 2 < sizeof out)
        if (strncmp(from, tree->folder, size) == 0) {
            out[used++] = '.';
            from += size;
        } else {
            out[used++] = *from++;
        }
    out[used] = '\0';
    return out;
}
