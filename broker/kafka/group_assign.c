// Partitions come and go.
#include "broker/kafka/group_internal.h"

#include "core/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syslog.h>

#define ASK_MS 10000
#define ASK_AGAIN_NS (100 * CLOCK_MILLISECOND_NS)

void group_forget(struct group *group) {
    if (group->assigned)
        rd_kafka_topic_partition_list_destroy(group->assigned);
    free(group->partitions);
    group->assigned = NULL;
    group->partitions = NULL;
    buffer_clear(&group->token);
}

// ---- The generation ----

static int write_token(const rd_kafka_consumer_group_metadata_t *metadata, struct buffer *out) {
    void *text = NULL;
    size_t size = 0;
    rd_kafka_error_t *why = metadata ? rd_kafka_consumer_group_metadata_write(metadata, &text, &size) : NULL;
    buffer_clear(out);
    int rc = text ? buffer_append(out, text, size) : -EIO;
    if (why)
        rd_kafka_error_destroy(why);
    rd_kafka_mem_free(NULL, text);
    return rc;
}

// A token without a generation, as a member has that was just thrown out, would be accepted by the cluster
// without a look.
static bool has_generation(const struct group *group) {
    struct buffer none = {0};
    char *member = rd_kafka_memberid(group->rk);
    rd_kafka_consumer_group_metadata_t *without =
        rd_kafka_consumer_group_metadata_new_with_genid(group->name, -1, member ? member : "", NULL);
    bool has =
        write_token(without, &none) == 0 && !bytes_equal(buffer_bytes(&none), buffer_bytes(&group->token));
    rd_kafka_consumer_group_metadata_destroy(without);
    buffer_destroy(&none);
    if (member)
        rd_kafka_mem_free(group->rk, member);
    return has;
}

static int take_token(struct group *group) {
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata(group->rk);
    int rc = write_token(metadata, &group->token);
    if (metadata)
        rd_kafka_consumer_group_metadata_destroy(metadata);
    if (rc == 0 && !has_generation(group))
        rc = -ESTALE;
    if (rc)
        buffer_clear(&group->token);
    return rc;
}

// ---- Committed offsets ----

static void ask(struct group *group) {
    char ignored[256];
    rd_kafka_ListConsumerGroupOffsets_t *what =
        rd_kafka_ListConsumerGroupOffsets_new(group->name, group->assigned);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(group->rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, ignored, sizeof ignored);
    // Not while a transaction that holds some is being committed.
    rd_kafka_error_t *why = rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
    if (why)
        rd_kafka_error_destroy(why);
    rd_kafka_AdminOptions_set_opaque(options, (void *)++group->question);
    group->ask_again_ns = 0;
    rd_kafka_ListConsumerGroupOffsets(group->rk, &what, 1, options, group->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(what);
}

void group_ask_again(struct group *group) {
    if (group->state == GROUP_LOOKING && group->ask_again_ns && clock_monotonic_ns() >= group->ask_again_ns)
        ask(group);
}

static const rd_kafka_topic_partition_list_t *offsets_of(rd_kafka_event_t *event, const char **why) {
    size_t count = 0;
    *why = rd_kafka_event_error_string(event);
    if (rd_kafka_event_error(event))
        return NULL;
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
    const rd_kafka_error_t *failed = count ? rd_kafka_group_result_error(groups[0]) : NULL;
    *why = failed ? rd_kafka_error_string(failed) : "no answer";
    return count && !failed ? rd_kafka_group_result_partitions(groups[0]) : NULL;
}

static bool fill_offsets(
    struct group *group, const rd_kafka_topic_partition_list_t *found, const char **why) {
    for (int i = 0; i < group->assigned->cnt; i++) {
        const rd_kafka_topic_partition_t *mine = &group->assigned->elems[i];
        const rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_find(
            (rd_kafka_topic_partition_list_t *)(uintptr_t)found, mine->topic, mine->partition);
        if (!one || one->err) {
            *why = one ? rd_kafka_err2str(one->err) : "a partition is missing";
            return false;
        }
        group->partitions[i].offset = one->offset >= 0 ? one->offset : GROUP_NO_OFFSET;
    }
    return true;
}

bool group_hear_offsets(struct group *group, rd_kafka_event_t *event, struct group_event *out) {
    const char *why = NULL;
    if (group->state != GROUP_LOOKING || (uintptr_t)rd_kafka_event_opaque(event) != group->question)
        return false;
    const rd_kafka_topic_partition_list_t *found = offsets_of(event, &why);
    if (!found || !fill_offsets(group, found, &why)) {
        cluster_tell(group->cluster, LOG_NOTICE, "GROUP", "%s: asking for its offsets: %s", group->name, why);
        group->ask_again_ns = clock_monotonic_ns() + ASK_AGAIN_NS;
        return false;
    }
    group->state = GROUP_OFFERED;
    out->kind = GROUP_ASSIGNED;
    out->partitions = group->partitions;
    out->partition_count = (size_t)group->assigned->cnt;
    return true;
}

// ---- Rebalances ----

static int take_assignment(struct group *group, const rd_kafka_topic_partition_list_t *list) {
    group_forget(group);
    int rc = take_token(group);
    group->partitions = calloc((size_t)list->cnt + 1, sizeof *group->partitions);
    group->assigned = rd_kafka_topic_partition_list_copy(list);
    if (rc == 0 && (!group->partitions || !group->assigned))
        rc = -ENOMEM;
    for (int i = 0; i < list->cnt && rc == 0; i++)
        group->partitions[i] = (struct group_partition){list->elems[i].partition, GROUP_NO_OFFSET};
    return rc;
}

static bool assigned(struct group *group, rd_kafka_topic_partition_list_t *list, struct group_event *out) {
    int rc = take_assignment(group, list);
    if (rc) { // thrown out again already: what follows is the next assignment
        cluster_tell(
            group->cluster, LOG_WARNING, "GROUP", "%s: partitions not taken: %s", group->name, strerror(-rc));
        group_forget(group);
        rd_kafka_assign(group->rk, NULL);
        group->state = GROUP_IDLE;
    } else if (list->cnt == 0) { // there are more members than partitions
        rd_kafka_assign(group->rk, list);
        group->state = GROUP_OFFERED;
        out->kind = GROUP_ASSIGNED;
        return true;
    } else {
        group->state = GROUP_LOOKING;
        ask(group);
    }
    return false;
}

static bool revoked(struct group *group, struct group_event *out) {
    bool known = group->state == GROUP_OFFERED || group->state == GROUP_RUNNING;
    buffer_clear(&group->token);
    group->ask_again_ns = 0;
    if (!known) {
        group_forget(group);
        rd_kafka_assign(group->rk, NULL);
        group->state = GROUP_IDLE;
        return false;
    }
    group->state = GROUP_REVOKING;
    out->kind = GROUP_REVOKED;
    out->partitions = group->partitions;
    out->partition_count = group->assigned ? (size_t)group->assigned->cnt : 0;
    out->lost = rd_kafka_assignment_lost(group->rk);
    return true;
}

bool group_rebalance(struct group *group, rd_kafka_event_t *event, struct group_event *out) {
    if (group->state == GROUP_LEAVING) {
        rd_kafka_assign(group->rk, NULL);
        return false;
    }
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        return assigned(group, rd_kafka_event_topic_partition_list(event), out);
    return revoked(group, out);
}
